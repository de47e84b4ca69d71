//! `cargo xtask bench`: builds what is measured and what measures it, then runs
//! it. Everything else is `enforcer-bench`'s.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::setup::rivals;
use crate::workspace::Workspace;
use crate::{build, setup, shell};

/// What is handed to `enforcer-bench` as it is.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--check`, `--compare FILE`, `--write-docs`, `-o json`, …; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let asks = options.arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    if !shell::is_root() && !asks {
        bail!(
            "the bench makes network namespaces and loads kernel programs: run as root\nhint: sudo -E env PATH=\"$PATH\" cargo xtask bench"
        );
    }
    if !asks {
        rivals::ensure(workspace);
    }
    let status = built(workspace)?
        .args(&options.arguments)
        .current_dir(workspace.root())
        .status()
        .context("start enforcer-bench")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, Into::into))
}

/// The kernel programs first: the userland embeds them. Optimised, because what
/// sends the packets is part of what is measured.
fn built(workspace: &Workspace) -> Result<Command> {
    let toolchain = setup::ensure(workspace, &setup::Options::default())?;
    build::kernel_programs(workspace, &toolchain)?;
    let programs = build::bench_programs(workspace, &toolchain)?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "enforcer-bench"]);
    shell::run(cargo.current_dir(workspace.root())).context("build the bench")?;
    let binary = workspace.cargo_target().join("release/enforcer-bench");
    let mut command = shell::fresh(Command::new(binary));
    command.env("ENFORCER_BENCH_PROGRAMS", programs);
    Ok(command)
}
