//! The command line: what was typed, the command that it means, an exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

pub mod check;

mod failure;
mod output;
mod args;
mod settings;
mod when;
mod client;
mod doctor;
mod exec;
mod status;
mod agents;
mod credentials;
mod events;
mod explain;
mod orders;
mod adopt;
mod audit;
mod detach;
mod wait_ready;
mod packaging;

use crate::daemon;
use args::{Cli, Command};
use failure::{Failure, wants_color};
use output::{Format, OutputArgs};

/// Runs the command that the process was started with; the exit code is as the
/// manual says: 0 done, 1 failed, 2 bad usage, config or policy, 3 the host
/// cannot enforce, 4 the daemon does not answer.
pub fn main() -> ExitCode {
    // The self-check's child is no command of anybody's, to be listed or suggested.
    if std::env::args_os().nth(1).is_some_and(|first| first == daemon::probe::SUBCOMMAND) {
        return daemon::probe::main();
    }
    dispatch(Cli::parse()).unwrap_or_else(|failure| failure.report())
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Run => return Ok(daemon::run(settings::path(config))),
        Command::Check { policies, output } => return check_files(config, policies, output),
        Command::Doctor(output) => return doctor::run(config, output),
        Command::Exec(args) => return exec::run(config, &args),
        Command::Status(output) => status::run(config, output),
        Command::Agents(output) => agents::run(config, output),
        Command::Credentials(output) => credentials::run(config, output),
        Command::Events(args) => events::run(config, &args),
        Command::Explain(args) => explain::run(config, &args),
        Command::Quarantine(args) => orders::quarantine(config, args),
        Command::Adopt(args) => adopt::run(config, args),
        Command::Release(args) => orders::release(config, args),
        Command::Revoke(args) => orders::revoke(config, args),
        Command::Audit { command } => audit::run(config, &command),
        Command::Reload(output) => orders::reload(config, output),
        Command::Detach(args) => detach::run(config, &args),
        Command::WaitReady(args) => wait_ready::run(config, &args),
        Command::Completions { shell } => packaging::completions(shell),
        Command::Man => packaging::man(),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn check_files(
    config: Option<&Path>,
    policies: Vec<PathBuf>,
    output: OutputArgs,
) -> Result<ExitCode, Failure> {
    let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
    let options = check::Options {
        config: config.map(Path::to_owned),
        policies,
        json: output.format == Format::Json,
        colour: wants_color(&stderr),
    };
    Ok(ExitCode::from(check::run(&options, &mut stdout, &mut stderr)?))
}
