//! Everything that is checked without running a test.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::setup::linker;
use crate::setup::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{build, shell};

/// `cargo xtask lint`: runs every check, then says which of them failed.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut failed = Vec::new();
    let mut check = |name: &'static str, result: Result<()>| {
        if let Err(error) = result {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    };
    check("format", cargo(workspace, &["fmt", "--all", "--check"]));
    check("clippy", cargo(workspace, &["clippy", "--all-targets", "--", "--deny", "warnings"]));
    check("kernel programs", kernel_programs(workspace));
    check("licences, bans, sources", deny(workspace));
    if failed.is_empty() {
        println!("lint: no complaints");
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn cargo(workspace: &Workspace, args: &[&str]) -> Result<()> {
    shell::run(shell::cargo().args(args).current_dir(workspace.root()))
}

/// The compiler's own warnings only: Debian has no clippy for its `rustc-web`.
fn kernel_programs(workspace: &Workspace) -> Result<()> {
    let Some(toolchain) =
        Toolchain::find().filter(|found| linker::is_current(workspace, Some(found)))
    else {
        println!("kernel programs: not checked, no eBPF toolchain (cargo xtask setup)");
        return Ok(());
    };
    for package in [build::PROGRAMS, build::BENCH_PROGRAMS] {
        let mut command = build::kernel_cargo(workspace, &toolchain, "check", package);
        check_kernel_programs(workspace, package, &mut command)?;
    }
    Ok(())
}

fn check_kernel_programs(
    workspace: &Workspace,
    package: &str,
    command: &mut Command,
) -> Result<()> {
    let log = workspace.logs().join(format!("{package}-check.log"));
    let finished = shell::run_watched(&format!("check {package}"), command, &log)?;
    let ours =
        |line: &&String| line.starts_with("warning: `enforcer-") || line.starts_with("error");
    if finished.status.success() && !finished.lines.iter().any(|line| ours(&line)) {
        return Ok(());
    }
    anyhow::bail!("warnings or errors:\n{}", finished.lines.join("\n"))
}

fn deny(workspace: &Workspace) -> Result<()> {
    if shell::which("cargo-deny").is_none() {
        println!("licences, bans, sources: not checked (cargo install --locked cargo-deny)");
        return Ok(());
    }
    cargo(workspace, &["deny", "check", "licenses", "bans", "sources"])
}
