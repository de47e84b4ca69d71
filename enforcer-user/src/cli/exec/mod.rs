//! `enforcer exec`.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::cli::failure::{Code, Failure, warn};
use crate::cli::settings;

mod identity;
mod stdio;
mod image;
mod cgroup;
mod child;
mod launch;
mod supervise;
#[cfg(test)]
mod tests;

use child::Stage;
use identity::Identity;
use image::Image;
use launch::LaunchError;
use supervise::Signals;

/// Of `enforcer exec`.
#[derive(Args, Debug)]
#[command(after_help = "\
CMD starts in the agent's cgroup, with no capabilities, no_new_privs, the default signal
handling and no open descriptor but 0-2, which must not be sockets. It keeps the terminal,
the working folder and the environment (with --user: HOME, USER and LOGNAME are the user's).
SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT and SIGTSTP are passed
on to it. When the launcher is killed CMD is killed too, because a supervisor that ends the
launcher's own cgroup would not find it.

Works without the daemon. Refuses (exit 3) where the kernel does not enforce the agent's
cgroup. The exit code is CMD's; 128 + n when signal n ended it, 126 when it cannot be
executed, 127 when it is not found.

Examples:
  enforcer exec --agent lead-enricher --user enricher -- python3 agent.py
  enforcer exec --agent lead-enricher --user 1001:1001 -- curl https://api.hubspot.com")]
pub(crate) struct ExecArgs {
    /// The agent to run as
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// Become this user: NAME or UID, with :GROUP or :GID for another group
    ///
    /// Without it CMD keeps the caller's ids. As root it then has no capabilities, but root's
    /// files stay open to it, and with them ways around the enforcement: fit for tests only.
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Let descriptors 0-2 be sockets, which stay outside the enforcement
    #[arg(long)]
    allow_stdio_sockets: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) fn run(config: Option<&Path>, args: &ExecArgs) -> Result<ExitCode, Failure> {
    let settings = settings::load(config)?;
    let identity = args.user.as_deref().map(Identity::parse).transpose()?;
    stdio::check(args.allow_stdio_sockets)?;
    let cgroup = cgroup::enforced(&settings, &args.agent)?;
    warn_of_root(identity.as_ref());
    let account = identity.as_ref().and_then(|identity| identity.account.as_ref());
    let image = Image::new(&args.command, std::env::vars_os(), account)
        .map_err(|error| Failure::new(Code::Usage, LaunchError::from(error).to_string()))?;
    let signals = Signals::block().map_err(|error| supervision(&error))?;
    let launched = launch::launch(&cgroup, image, identity)
        .map_err(|error| not_launched(&error, &args.command))?;
    supervise::supervise(&launched, &signals)
        .map(ExitCode::from)
        .map_err(|error| supervision(&error))
}

fn warn_of_root(identity: Option<&Identity>) {
    let root = identity.map_or(nix::unistd::geteuid().is_root(), |identity| identity.uid == 0);
    if root {
        warn("CMD stays root, without capabilities; root's files are a way around: give --user");
    }
}

fn not_launched(error: &LaunchError, command: &[OsString]) -> Failure {
    match error {
        LaunchError::Child { stage: Stage::Exec, source } => not_executed(source, &command[0]),
        LaunchError::Child { source, .. } | LaunchError::Clone { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Failure::failed(error.to_string()).hint("run `enforcer exec` as root")
        }
        LaunchError::Cgroup { .. } | LaunchError::Clone { .. } => {
            Failure::new(Code::CannotEnforce, error.to_string())
        }
        LaunchError::Nul(_) | LaunchError::System { .. } | LaunchError::Child { .. } => {
            Failure::failed(error.to_string())
        }
    }
}

fn not_executed(source: &io::Error, command: &OsString) -> Failure {
    let missing = source.kind() == io::ErrorKind::NotFound;
    let code = if missing { Code::NotFound } else { Code::NotExecutable };
    Failure::new(code, format!("execute {}: {source}", command.display()))
}

fn supervision(error: &io::Error) -> Failure {
    Failure::failed(format!("watch over CMD: {error}"))
}
