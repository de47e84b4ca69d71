//! bpf-linker: links LLVM bitcode to a BPF object and writes its BTF. It must
//! be built against an LLVM at least as new as the compiler's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::toolchain::Toolchain;
use crate::setup::{Step, apt};
use crate::shell;
use crate::workspace::Workspace;

/// The pinned version.
pub(crate) const VERSION: &str = "0.13.0";
/// LLVM major versions that the pinned bpf-linker can be built with.
const SUPPORTED_LLVM: std::ops::RangeInclusive<u32> = 21..=23;
/// The LLVM inside the binaries that bpf-linker's authors publish for that version.
const PUBLISHED_LLVM: u32 = 23;
/// Names what the installed binary was built for.
const STAMP: &str = "bpf-linker.stamp";

/// Whether `target/tools` has the pinned version, built for this toolchain.
pub(crate) fn is_current(workspace: &Workspace, toolchain: Option<&Toolchain>) -> bool {
    let stamp = fs::read_to_string(workspace.tools().join(STAMP)).unwrap_or_default();
    let built_for =
        stamp.trim().strip_prefix(VERSION).and_then(|llvm| llvm.trim().parse::<u32>().ok());
    let readable =
        built_for.zip(toolchain).is_some_and(|(built, toolchain)| built >= toolchain.llvm);
    readable && workspace.bpf_linker().is_file()
}

/// What installing it will take.
pub(crate) fn plan() -> Step {
    Step {
        what: format!("bpf-linker {VERSION}, built into target/tools (about two minutes)"),
        install: Box::new(install),
    }
}

fn install(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::require()?;
    if !SUPPORTED_LLVM.contains(&toolchain.llvm) {
        bail!(
            "{toolchain}: bpf-linker {VERSION} works with LLVM {SUPPORTED_LLVM:?} only\nhint: install a nightly whose `rustc -vV` shows one of those"
        );
    }
    let llvm = match llvm_prefix(workspace, toolchain.llvm)? {
        Some(prefix) => {
            build(workspace, toolchain.llvm, &prefix)?;
            toolchain.llvm
        }
        None => {
            fetch_published(workspace)?;
            PUBLISHED_LLVM
        }
    };
    let stamp = workspace.tools().join(STAMP);
    fs::write(&stamp, format!("{VERSION} {llvm}\n"))
        .with_context(|| format!("write {}", stamp.display()))
}

/// Where LLVM `major` is installed for development; Debian's package is installed if that is all it takes.
fn llvm_prefix(workspace: &Workspace, major: u32) -> Result<Option<PathBuf>> {
    if let Some(prefix) = find_llvm(major) {
        return Ok(Some(prefix));
    }
    let package = format!("llvm-{major}-dev");
    if apt::is_here() && shell::is_root() && apt::candidate(&package).is_some() {
        apt::install(workspace, &[&package])?;
    }
    Ok(find_llvm(major))
}

fn find_llvm(major: u32) -> Option<PathBuf> {
    let told = std::env::var_os("LLVM_PREFIX").map(PathBuf::from);
    let asked = shell::output(Command::new(format!("llvm-config-{major}")).arg("--prefix")).ok();
    let usual =
        [format!("/usr/lib/llvm-{major}"), format!("/usr/lib64/llvm{major}")].map(PathBuf::from);
    told.into_iter().chain(asked.map(|prefix| PathBuf::from(prefix.trim()))).chain(usual).find(
        |prefix| ["lib", "lib64"].iter().any(|lib| prefix.join(lib).join("libLLVM.so").exists()),
    )
}

fn build(workspace: &Workspace, llvm: u32, prefix: &PathBuf) -> Result<()> {
    let mut command = shell::cargo();
    command.args([
        "install",
        "bpf-linker",
        "--version",
        VERSION,
        "--locked",
        "--force",
        "--no-default-features",
    ]);
    command.args(["--features", &format!("llvm-{llvm}"), "--root"]).arg(workspace.tools());
    command.env("LLVM_PREFIX", prefix).env("CARGO_TARGET_DIR", workspace.tools().join("build"));
    let title = format!("build bpf-linker {VERSION} for LLVM {llvm}");
    shell::run_logged(&title, &mut command, &workspace.logs().join("bpf-linker.log"))?;
    // 400 MB of intermediate files that nothing reads again.
    fs::remove_dir_all(workspace.tools().join("build"))
        .context("remove bpf-linker's build directory")
}

/// The way bpf-linker's authors recommend where no matching LLVM is installed: their own binary.
fn fetch_published(workspace: &Workspace) -> Result<()> {
    if shell::which("cargo-binstall").is_none() {
        bail!(
            "no LLVM to build bpf-linker {VERSION} with\nhint: install the LLVM that `rustc +nightly -vV` names with its development files (Debian: llvm-22-dev) or set LLVM_PREFIX\nhint: or install cargo-binstall, which fetches the binary its authors publish"
        );
    }
    let mut command = shell::cargo();
    command.args(["binstall", "--no-confirm", "--force", "--root"]).arg(workspace.tools());
    command.arg(format!("bpf-linker@{VERSION}"));
    shell::run_logged(
        "cargo binstall bpf-linker",
        &mut command,
        &workspace.logs().join("bpf-linker.log"),
    )
}
