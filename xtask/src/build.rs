//! Builds the kernel programs, then the userland that embeds them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::setup::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{setup, shell};

/// The target of the kernel programs: little-endian BPF.
const TARGET: &str = "bpfel-unknown-none";
/// The packages of kernel programs: the product's, and what the bench compares with.
pub(crate) const PROGRAMS: &str = "enforcer-ebpf";
pub(crate) const BENCH_PROGRAMS: &str = "enforcer-bench-ebpf";

/// How to build.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Optimise the userland; the kernel programs always are.
    #[arg(long)]
    pub(crate) release: bool,
}

/// `cargo xtask build`: returns the `enforcer` binary.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<PathBuf> {
    let toolchain = setup::ensure(workspace, &setup::Options::default())?;
    kernel_programs(workspace, &toolchain)?;
    userland(workspace, options)
}

/// Compiles enforcer-ebpf and puts the object where enforcer-user's build script looks.
pub(crate) fn kernel_programs(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    compiled(workspace, toolchain, PROGRAMS, workspace.bpf_object())
}

/// The same for the programs of the bench.
pub(crate) fn bench_programs(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    compiled(workspace, toolchain, BENCH_PROGRAMS, workspace.bench_object())
}

fn compiled(
    workspace: &Workspace,
    toolchain: &Toolchain,
    package: &str,
    object: PathBuf,
) -> Result<PathBuf> {
    shell::run(&mut kernel_cargo(workspace, toolchain, "build", package))
        .context("build the kernel programs")?;
    let built = workspace.bpf_build().join(TARGET).join("bpf").join(package);
    let bytes = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    write_if_changed(&object, &bytes)?;
    eprintln!("kernel programs: {} ({} KiB)", object.display(), bytes.len() / 1024);
    Ok(object)
}

/// `cargo VERB` for a package of kernel programs: target, flags and linker are set.
pub(crate) fn kernel_cargo(
    workspace: &Workspace,
    toolchain: &Toolchain,
    verb: &str,
    package: &str,
) -> Command {
    // `target-cpu=v3`: atomic compare-and-exchange. `--btf` with debug info:
    // without function info the kernel loads neither `bpf_loop` nor BTF maps.
    // The other linker flag lets LLVM write out small copies and fills; by
    // default they are loops over bytes, which the verifier follows turn by turn.
    let flags = [
        "target-cpu=v3",
        "link-arg=--btf",
        "link-arg=--disable-expand-memcpy-in-order",
        "debuginfo=2",
    ];
    let flags = flags.map(|flag| format!("-C {flag}")).join(" ");
    let linker = workspace.bpf_linker();
    let mut command = toolchain.cargo();
    command.arg(verb).args([
        "--package",
        package,
        "--profile",
        "bpf",
        "-Z",
        "build-std=core",
        "--target",
        TARGET,
    ]);
    command.env("RUSTFLAGS", format!("{flags} -C linker={}", linker.display()));
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("CARGO_TARGET_DIR", workspace.bpf_build());
    command.current_dir(workspace.root());
    command
}

/// An unchanged object keeps its time, so that the userland is not built again.
fn write_if_changed(path: &PathBuf, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let dir = path.parent().context("the object has no directory")?;
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

/// Compiles the `enforcer` binary with the kernel programs in it.
pub(crate) fn userland(workspace: &Workspace, options: &Options) -> Result<PathBuf> {
    let mut command = shell::cargo();
    // Without `--package`: the same feature set as `cargo test` of the workspace, so nothing compiles twice.
    command.args(["build", "--bin", "enforcer"]).current_dir(workspace.root());
    if options.release {
        command.arg("--release");
    }
    shell::run(&mut command).context("build the enforcer binary")?;
    let profile = if options.release { "release" } else { "debug" };
    let binary = workspace.cargo_target().join(profile).join("enforcer");
    println!("enforcer: {}", binary.display());
    Ok(binary)
}
