//! `cargo xtask demo`: the main job, live, in namespaces of its own. An agent
//! is held to its policy, runs into its cap, breaks its policy three times, and
//! its OAuth token dies.

mod acts;
mod clock;
mod host;
mod story;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::demo::host::Sweep;
use crate::demo::world::World;
use crate::setup::testing;
use crate::workspace::Workspace;
use crate::{build, setup, shell};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How to run the demo.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Leave the daemon's log on the terminal when the demo ends.
    #[arg(long)]
    pub(crate) log: bool,
}

/// The programs that the demo starts.
pub(crate) struct Programs {
    pub(crate) enforcer: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) auth_server: PathBuf,
    pub(crate) peer: PathBuf,
}

/// Builds, plays, and removes everything again, also after a failure or Ctrl-C.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    if !shell::is_root() {
        bail!(
            "the demo makes network namespaces and loads kernel programs: run as root\nhint: sudo -E env PATH=\"$PATH\" cargo xtask demo"
        );
    }
    let programs = prepare(workspace)?;
    let sweep = Sweep::claim(workspace)?;
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        eprintln!("\ninterrupted: cleaning up");
        host::remove_all();
        std::process::exit(130);
    })
    .context("watch for Ctrl-C")?;
    let played = World::build(&programs, &sweep).and_then(|mut world| acts::play(&mut world));
    if INTERRUPTED.load(Ordering::SeqCst) {
        // Whatever failed did so because of Ctrl-C, whose handler ends the process.
        std::thread::sleep(Duration::MAX);
    }
    if options.log || played.is_err() {
        sweep.show_log();
    }
    drop(sweep);
    played?;
    println!("\nEverything the demo made is gone again: processes, namespaces, cgroups, pins.");
    Ok(ExitCode::SUCCESS)
}

fn prepare(workspace: &Workspace) -> Result<Programs> {
    let toolchain = setup::ensure(workspace, &setup::Options::default())?;
    testing::ensure_programs(workspace, &["ip", "curl"])?;
    build::kernel_programs(workspace, &toolchain)?;
    let mut command = shell::cargo();
    command.args(["build", "--bins"]).current_dir(workspace.root());
    shell::run(&mut command).context("build the programs")?;
    let at = |name: &str| workspace.cargo_target().join("debug").join(name);
    Ok(Programs {
        enforcer: at("enforcer"),
        agent: at("lab-agent"),
        auth_server: at("lab-auth-server"),
        peer: at("lab-peer"),
    })
}
