//! Commands that tell the daemon to do one thing: `quarantine`, `release`,
//! `revoke`, `reload`.

use std::path::Path;

use clap::Args;

use crate::cli::client::{self, Client};
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::settings;
use crate::daemon::protocol::{Reply, Request};

/// Bytes; enough for a sentence and the number of a ticket.
const LONGEST_REASON: usize = 500;

/// Of `enforcer quarantine`.
#[derive(Args, Debug)]
pub(crate) struct QuarantineArgs {
    /// The agent
    agent: String,
    /// Why, for the audit trail: one line
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Of `enforcer release`.
#[derive(Args, Debug)]
pub(crate) struct ReleaseArgs {
    /// The agent
    agent: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Of `enforcer revoke`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  enforcer revoke hubspot-crm --reason 'seen in a public log'")]
pub(crate) struct RevokeArgs {
    /// The credential's id
    credential: String,
    /// Why, for the audit trail: one line
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// What somebody else can make sense of later.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say why, in a few words".to_owned());
    }
    if text.len() > LONGEST_REASON || text.contains(char::is_control) {
        return Err(format!("one line of at most {LONGEST_REASON} bytes"));
    }
    Ok(text.to_owned())
}

pub(crate) fn quarantine(config: Option<&Path>, args: QuarantineArgs) -> Result<(), Failure> {
    let request = Request::Quarantine { agent: args.agent, reason: args.reason };
    order(config, &request, args.output)
}

pub(crate) fn release(config: Option<&Path>, args: ReleaseArgs) -> Result<(), Failure> {
    order(config, &Request::Release { agent: args.agent }, args.output)
}

pub(crate) fn revoke(config: Option<&Path>, args: RevokeArgs) -> Result<(), Failure> {
    let request = Request::Revoke { credential: args.credential, reason: args.reason };
    order(config, &request, args.output)
}

pub(crate) fn reload(config: Option<&Path>, output: OutputArgs) -> Result<(), Failure> {
    order(config, &Request::Reload, output)
}

fn order(config: Option<&Path>, request: &Request, output: OutputArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let reply = Client::connect(&settings.control_socket)?.ask(request)?;
    let outcome = outcome(&reply)?;
    output.print(&reply, |_| outcome)
}

/// What to tell people about an order that was carried out.
pub(crate) fn outcome(reply: &Reply) -> Result<String, Failure> {
    match reply {
        Reply::Done { message } => Ok(message.clone()),
        Reply::Reloaded { generation } => Ok(format!("generation {generation} is in force")),
        Reply::Status(_)
        | Reply::Agents { .. }
        | Reply::Credentials { .. }
        | Reply::Rule { .. }
        | Reply::Adopted(_)
        | Reply::Failed { .. } => Err(client::unexpected(reply)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(reason(" seen in a log "), Ok("seen in a log".to_owned()));
        for useless in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert!(reason(useless).is_err(), "{useless:?}");
        }
    }
}
