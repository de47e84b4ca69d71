//! Finds what a build or a test needs, and installs what is missing: first
//! says what, then does it. With everything there it does nothing and says so.

pub(crate) mod apt;
pub(crate) mod kernels;
pub(crate) mod linker;
pub(crate) mod rivals;
mod suite;
pub(crate) mod testing;
pub(crate) mod toolchain;

use anyhow::Result;
use clap::Args;

use crate::setup::toolchain::Toolchain;
use crate::workspace::Workspace;

/// What to set up.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Also what the tests need: QEMU, Debian's kernels, an OAuth server, …
    #[arg(long)]
    pub(crate) tests: bool,
    /// Also the firewalls that the bench compares with: nftables, ipset, iptables.
    #[arg(long)]
    pub(crate) bench: bool,
}

/// Puts one missing thing in place.
type Install = Box<dyn Fn(&Workspace) -> Result<()>>;

/// One thing that is missing.
pub(crate) struct Step {
    /// What will be installed, for the announcement.
    pub(crate) what: String,
    pub(crate) install: Install,
}

/// `cargo xtask setup`: as [`ensure`], and says so when there was nothing to do.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let changed = install_missing(workspace, options)?;
    let toolchain = Toolchain::require()?;
    let verb = if changed { "ready" } else { "nothing to do" };
    println!("setup: {verb}: {toolchain}, bpf-linker {}", linker::VERSION);
    Ok(())
}

/// Installs what is missing and returns the way to compile for eBPF.
pub(crate) fn ensure(workspace: &Workspace, options: &Options) -> Result<Toolchain> {
    install_missing(workspace, options)?;
    Toolchain::require()
}

fn install_missing(workspace: &Workspace, options: &Options) -> Result<bool> {
    let steps = missing(workspace, options)?;
    if steps.is_empty() {
        return Ok(false);
    }
    eprintln!("setup will install:");
    for step in &steps {
        eprintln!("  * {}", step.what);
    }
    for step in &steps {
        (step.install)(workspace)?;
    }
    Ok(true)
}

/// Looks only; changes nothing.
pub(crate) fn missing(workspace: &Workspace, options: &Options) -> Result<Vec<Step>> {
    let toolchain = Toolchain::find();
    let mut steps = Vec::new();
    if toolchain.is_none() {
        steps.push(toolchain::plan()?);
    }
    if !linker::is_current(workspace, toolchain.as_ref()) {
        steps.push(linker::plan());
    }
    if options.tests {
        steps.extend(testing::missing(workspace)?);
    }
    if options.bench {
        steps.extend(rivals::missing());
    }
    Ok(steps)
}
