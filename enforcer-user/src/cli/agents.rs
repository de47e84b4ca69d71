//! `enforcer agents`.

use std::path::Path;

use crate::cli::client::{self, Client};
use crate::cli::failure::Failure;
use crate::cli::output::{OutputArgs, list, plain, table};
use crate::cli::settings;
use crate::daemon::protocol::{AgentStatus, Reply, Request};

const HEADER: [&str; 7] =
    ["AGENT", "STATE", "PROCS", "ALLOWED", "DENIED", "VIOLATIONS", "CREDENTIALS"];

pub(crate) fn run(config: Option<&Path>, output: OutputArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let reply = Client::connect(&settings.control_socket)?.ask(&Request::Agents)?;
    let Reply::Agents { agents } = &reply else { return Err(client::unexpected(&reply)) };
    output.print(agents, |width| render(agents, width))
}

fn render(agents: &[AgentStatus], width: Option<u16>) -> String {
    if agents.is_empty() {
        return "no agent has a policy: everything under the enforced root is denied\n".to_owned();
    }
    let rows: Vec<_> = agents.iter().map(row).collect();
    let notes: String = agents.iter().flat_map(notes).map(|note| note + "\n").collect();
    let table = table(HEADER, &rows, width);
    if notes.is_empty() { table } else { format!("{table}\n{notes}") }
}

fn row(agent: &AgentStatus) -> [String; 7] {
    [
        plain(&agent.agent),
        state(agent).to_owned(),
        agent.processes.to_string(),
        agent.packets_allowed.to_string(),
        agent.denied.to_string(),
        agent.violations.to_string(),
        list(&agent.credentials),
    ]
}

/// The most important thing that is true of the agent.
fn state(agent: &AgentStatus) -> &'static str {
    match agent {
        AgentStatus { quarantine: Some(_), .. } => "QUARANTINED",
        AgentStatus { verified: false, .. } => "NOT VERIFIED",
        AgentStatus { mode, .. } if mode == "audit" => "audit only",
        _ => "enforced",
    }
}

/// What does not fit into a column.
fn notes(agent: &AgentStatus) -> Vec<String> {
    let name = plain(&agent.agent);
    let quarantine =
        agent.quarantine.iter().map(|why| format!("{name}: quarantined: {}", plain(why)));
    let homeless = agent.cgroups.is_empty().then(|| format!("{name}: none of its cgroups exists"));
    quarantine.chain(homeless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> Vec<AgentStatus> {
        let agent = |name: &str| AgentStatus {
            agent: name.into(),
            mode: "enforce".into(),
            cgroups: vec![format!("agents.slice/{name}")],
            processes: 2,
            quarantine: None,
            verified: true,
            packets_allowed: 184_467,
            denied: 0,
            violations: 0,
            credentials: vec![],
            policy: format!("/etc/enforcer/policies.d/{name}.toml"),
        };
        vec![
            AgentStatus { credentials: vec!["hubspot-crm".into()], ..agent("lead-enricher") },
            AgentStatus {
                quarantine: Some("3 violations within 10s".into()),
                denied: 12,
                violations: 3,
                ..agent("coder")
            },
            AgentStatus { mode: "audit".into(), ..agent("crawler") },
            AgentStatus { verified: false, cgroups: vec![], processes: 0, ..agent("mailer") },
        ]
    }

    #[test]
    fn agents_fit_into_80_columns() {
        insta::assert_snapshot!(render(&agents(), Some(80)));
    }

    #[test]
    fn agents_are_readable_in_40_columns() {
        let text = render(&agents()[..1], Some(40));
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn no_agents_means_everything_is_denied() {
        insta::assert_snapshot!(render(&[], None));
    }
}
