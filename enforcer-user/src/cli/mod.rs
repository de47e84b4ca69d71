//! The command line: what was typed, the command that it means, an exit code.

use std::process::ExitCode;

use clap::Parser;

pub mod check;

mod failure;
mod output;
mod args;
mod settings;
mod when;
mod client;
mod status;
mod agents;
mod credentials;
mod events;
mod orders;
mod wait_ready;
mod exec;
mod packaging;

use args::{Cli, Command};
use failure::Failure;

/// Runs the command that the process was started with; the exit code is as the
/// manual says: 0 done, 1 failed, 2 bad usage, config or policy, 3 the host
/// cannot enforce, 4 the daemon does not answer.
pub fn main() -> ExitCode {
    dispatch(Cli::parse()).unwrap_or_else(|failure| failure.report())
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let config = cli.config.as_path();
    match cli.command {
        Command::Status(output) => status::run(config, output),
        Command::Agents(output) => agents::run(config, output),
        Command::Credentials(output) => credentials::run(config, output),
        Command::Events(args) => events::run(config, &args),
        Command::Quarantine(args) => orders::quarantine(config, args),
        Command::Release(args) => orders::release(config, args),
        Command::Revoke(args) => orders::revoke(config, args),
        Command::Reload => orders::reload(config),
        Command::WaitReady(args) => wait_ready::run(config, &args),
        Command::Completions { shell } => packaging::completions(shell),
        Command::Man => packaging::man(),
    }
    .map(|()| ExitCode::SUCCESS)
}
