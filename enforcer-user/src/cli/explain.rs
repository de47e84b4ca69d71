//! `enforcer explain`.

use std::path::Path;

use clap::Args;
use enforcer_common::{Flow, Hook, NO_RULE, Protocol, Verdict};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::settings;
use crate::config::Settings;
use crate::daemon::protocol::{Reply, Request};
use crate::kernel::{Explanation, KernelError, Pins};

mod target;
mod report;

use report::{Report, Rule};
use target::Target;

/// Of `enforcer explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Answers from the maps that the kernel is using, also with the daemon dead; then the rule's
text and place are unknown. Asking charges no cap and counts nothing.

Examples:
  enforcer explain lead-enricher 203.0.113.9:443
  enforcer explain lead-enricher '[2001:db8::1]:53/udp'
  enforcer explain lead-enricher 10.20.0.1/icmp")]
pub(crate) struct ExplainArgs {
    /// The agent
    agent: String,
    /// Where to: DEST:PORT (TCP), DEST:PORT/udp, DEST/icmp; IPv6 in brackets
    #[arg(value_name = "DEST[:PORT[/PROTO]]")]
    target: Target,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(config: Option<&Path>, args: &ExplainArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let pins = Pins::open(&settings.bpf_dir)?;
    let flow = args.target.flow();
    let (hook, found) = first_denial(|hook| pins.explain(&args.agent, hook, &flow), &flow)?;
    let report = Report {
        agent: args.agent.clone(),
        target: args.target,
        hook,
        explanation: found,
        rule: rule(&settings, &found),
    };
    args.output.print(&report.to_json(), |_| report.render())
}

/// A flow passes the hook of its socket call, then that of its packets; the
/// first to deny decides.
fn first_denial(
    explain: impl Fn(Hook) -> Result<Explanation, KernelError>,
    flow: &Flow,
) -> Result<(Hook, Explanation), KernelError> {
    if let Some(hook) = call_hook(flow) {
        let found = explain(hook)?;
        if found.decision.verdict == Verdict::Deny {
            return Ok((hook, found));
        }
    }
    Ok((Hook::Egress, explain(Hook::Egress)?))
}

fn call_hook(flow: &Flow) -> Option<Hook> {
    match (flow.protocol, flow.destination.is_v4()) {
        (Protocol::TCP, true) => Some(Hook::Connect4),
        (Protocol::TCP, false) => Some(Hook::Connect6),
        (Protocol::UDP, true) => Some(Hook::Sendmsg4),
        (Protocol::UDP, false) => Some(Hook::Sendmsg6),
        _ => None,
    }
}

/// What the daemon knows of the rule that decided; its id alone where no
/// daemon answers.
fn rule(settings: &Settings, found: &Explanation) -> Option<Rule> {
    let rule = found.decision.rule;
    if rule == NO_RULE {
        return None;
    }
    let request = Request::Rule { policy_id: found.policy_id, rule };
    let reply = Client::connect(&settings.control_socket).and_then(|mut d| d.ask(&request));
    Some(match reply {
        Ok(Reply::Rule { text, location }) => Rule { id: rule, text, location },
        _ => Rule { id: rule, text: None, location: None },
    })
}

#[cfg(test)]
mod tests {
    use enforcer_common::{Decision, Reason};

    use super::*;

    fn explanation(reason: Reason) -> Explanation {
        let decision = Decision { verdict: reason.verdict(), ..Decision::deny(reason) };
        Explanation { decision, policy_id: 1, generation: 1, quarantined: false }
    }

    fn deciding(target: &str, socket_call: Reason, packet: Reason) -> (Hook, Reason) {
        let flow = target.parse::<Target>().expect("valid").flow();
        let explain =
            |hook| Ok(explanation(if hook == Hook::Egress { packet } else { socket_call }));
        let (hook, found) = first_denial(explain, &flow).expect("no error");
        (hook, found.decision.reason)
    }

    #[test]
    fn the_socket_call_decides_where_it_denies() {
        let denied = deciding("[2001:db8::1]:443", Reason::ConnectionCap, Reason::Rule);
        assert_eq!(denied, (Hook::Connect6, Reason::ConnectionCap));
        let denied = deciding("10.0.0.1:53/udp", Reason::NoRule, Reason::NoRule);
        assert_eq!(denied, (Hook::Sendmsg4, Reason::NoRule));
    }

    #[test]
    fn the_packet_decides_where_the_socket_call_passes() {
        let denied = deciding("10.0.0.1:443", Reason::Rule, Reason::PacketCap);
        assert_eq!(denied, (Hook::Egress, Reason::PacketCap));
        assert_eq!(deciding("10.0.0.1/icmp", Reason::NoRule, Reason::Rule).0, Hook::Egress);
    }
}
