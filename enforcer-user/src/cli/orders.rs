//! Commands that tell the daemon to do one thing: `quarantine`, `release`,
//! `revoke`, `reload`.

use std::path::Path;

use clap::Args;

use crate::cli::client::{self, Client};
use crate::cli::failure::{Code, Failure};
use crate::cli::output::{Format, OutputArgs};
use crate::cli::settings;
use crate::daemon::protocol::{Reply, Request, why};

/// Of `enforcer quarantine`.
#[derive(Args, Debug)]
pub(crate) struct QuarantineArgs {
    /// The agent
    agent: String,
    /// Why, for the audit trail: one line
    #[arg(long, value_parser = why)]
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
    #[arg(long, value_parser = why)]
    reason: String,
    #[command(flatten)]
    output: OutputArgs,
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
    if let Reply::Refused { message, generation } = &reply {
        return refused(&reply, message, *generation, output);
    }
    let outcome = outcome(&reply)?;
    output.print(&reply, |_| outcome)
}

/// Programs are told on stdout, like of everything else.
fn refused(
    reply: &Reply,
    message: &str,
    generation: u32,
    output: OutputArgs,
) -> Result<(), Failure> {
    if output.format == Format::Json {
        output.print(reply, |_| String::new())?;
        return Err(Failure::Reported(Code::Usage));
    }
    let stays = format!("generation {generation} stays in force");
    Err(Failure::new(Code::Usage, message).hint(stays))
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
        | Reply::Refused { .. }
        | Reply::Failed { .. } => Err(client::unexpected(reply)),
    }
}
