//! `enforcer exec`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use caps::{CapSet, Capability};
use clap::Args;
use nix::unistd::{getegid, geteuid};

use crate::cli::failure::{Code, Failure, warn};
use crate::cli::settings;
use crate::config::{DEFAULT_CONFIG, Settings};

mod identity;
mod stdio;
mod image;
mod cgroup;
mod own_folder;
mod grants;
mod territory;
mod fence;
mod seal;
mod syscalls;
mod filter;
mod report;
mod steps;
mod install;
mod child;
mod listener;
mod launch;
mod refusals;
mod supervise;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod territory_tests;
#[cfg(test)]
mod tests;

use child::Confinement;
use fence::Fence;
pub(super) use fence::not_fenced_here;
use filter::Filter;
use identity::Identity;
use image::Image;
use launch::LaunchError;
use refusals::{Daemon, Hearing};
use report::{Broken, Stage};
use seal::Seal;
use supervise::Signals;

/// Of `enforcer exec`.
#[derive(Args, Debug)]
#[command(after_help = "\
CMD starts in the agent's cgroup, with the default signal handling and no open descriptor
but 0-2, which must not be sockets. It keeps the terminal, the working folder and the
environment (with --user: HOME, USER and LOGNAME are the user's). Taken from it, and from
all that it starts:
  capabilities, but those in `[process]` of the agent's policy; no_new_privs
  sockets other than TCP, UDP, ping, Unix and NETLINK_ROUTE; io_uring
  bpf, ptrace and other processes' memory, namespaces, mounts, keys, file handles, 32-bit code
  writing to /etc, /usr, /proc, /sys, cgroups, most of /dev and the enforcer's own files
  signals and abstract Unix sockets to processes outside (Linux 6.12)
Attempts on the enforcement and on such sockets are events with the hook `seccomp`.
What this kernel cannot take is said on stderr. XDG_RUNTIME_DIR is a folder of its own.

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
    /// Without it CMD keeps the caller's ids. Root then has no capabilities and cannot write
    /// where the system is, but can still read every secret and write other users' files.
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Let descriptors 0-2 be sockets, which stay outside the enforcement
    #[arg(long)]
    allow_stdio_sockets: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) use own_folder::remove_all as remove_folders;

pub(crate) fn run(config: Option<&Path>, args: &ExecArgs) -> Result<ExitCode, Failure> {
    let settings = settings::load(config)?;
    let identity = args.user.as_deref().map(Identity::parse).transpose()?;
    stdio::check(args.allow_stdio_sockets)?;
    let cgroup = cgroup::enforced(&settings, &args.agent)?;
    warn_of_root(identity.as_ref());
    let folder = own_folder(&settings, &args.agent, identity.as_ref());
    let account = identity.as_ref().and_then(|identity| identity.account.as_ref());
    let image = Image::new(&args.command, std::env::vars_os(), account, folder.as_deref())
        .map_err(|error| Failure::new(Code::Usage, LaunchError::from(error).to_string()))?;
    let config = config.unwrap_or(Path::new(DEFAULT_CONFIG));
    let fence = fence(&settings, config, folder.as_deref())?;
    let keep = grants::capabilities(&settings, &args.agent);
    let filter = Filter::new().map_err(|error| cannot("build the system call filter", &error))?;
    // Before the mounts are changed: what the socket is in may be hidden then.
    let daemon = Daemon::at(&settings.control_socket, &args.agent);
    let seal = seal(&settings, identity.as_ref(), &fence.forbidden, folder.as_deref());
    if let Some(seal) = seal {
        steps::seal(&seal).map_err(|Broken { stage, errno }| {
            cannot(stage.act(), &io::Error::from_raw_os_error(errno))
        })?;
    }
    let confinement = Confinement { identity, keep, ruleset: fence.ruleset, filter };
    let signals = Signals::block().map_err(|error| supervision(&error))?;
    let (launched, listener) = launch::launch(&cgroup, image, confinement)
        .map_err(|error| not_launched(&error, &args.command))?;
    let hearing = Hearing::begin(listener, daemon);
    let code = supervise::supervise(&launched, &signals);
    hearing.end();
    code.map(ExitCode::from).map_err(|error| supervision(&error))
}

/// `None`, with a warning, where there can be none: CMD has less then.
fn own_folder(settings: &Settings, agent: &str, identity: Option<&Identity>) -> Option<PathBuf> {
    let (uid, gid) = identity.map_or_else(
        || (geteuid().as_raw(), getegid().as_raw()),
        |identity| (identity.uid, identity.gid),
    );
    let folder = own_folder::prepare(settings, agent, (uid, gid));
    let folder =
        folder.map_err(|error| warn(&format!("CMD has no XDG_RUNTIME_DIR: {error}"))).ok()?;
    if let Some(above) = own_folder::out_of_reach(&folder, uid) {
        warn(&format!("CMD cannot reach its XDG_RUNTIME_DIR: {} is closed", above.display()));
    }
    Some(folder)
}

/// `None` where CMD is not root, who alone changes the modes of others' files; and,
/// with a warning, where the caller cannot.
fn seal(
    settings: &Settings,
    identity: Option<&Identity>,
    forbidden: &[PathBuf],
    own: Option<&Path>,
) -> Option<Seal> {
    if identity.map_or_else(|| geteuid().as_raw(), |identity| identity.uid) != 0 {
        return None;
    }
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false) {
        warn(
            "CMD can change modes of files that it cannot write, and lock them: to keep it from that needs CAP_SYS_ADMIN",
        );
        return None;
    }
    let closed = [forbidden, &grants::secret_files(settings)].concat();
    Some(Seal::over(&closed, [&settings.state_dir, &settings.bpf_dir], own))
}

fn fence(settings: &Settings, config: &Path, own: Option<&Path>) -> Result<Fence, Failure> {
    let fence = Fence::new(settings, config, own)
        .map_err(|error| cannot("confine CMD to its files", &error))?;
    fence.warnings.iter().for_each(|text| warn(text));
    Ok(fence)
}

fn cannot(act: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::CannotEnforce, format!("{act}: {error}"))
}

fn warn_of_root(identity: Option<&Identity>) {
    let root = identity.map_or(geteuid().is_root(), |identity| identity.uid == 0);
    if root {
        warn("CMD stays root and can read every file, the credentials too: give --user");
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
