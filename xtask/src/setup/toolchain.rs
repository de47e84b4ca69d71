//! A compiler for the `bpfel-unknown-none` target: it needs nightly features
//! and the standard library's source, which stable rustup toolchains lack.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::setup::{Step, apt};
use crate::shell;

/// Oldest compiler, as `1.MINOR`, that the workspace builds with.
const OLDEST_MINOR: u32 = 95;
/// Debian's pair of compiler and standard library source, and the LLVM that both were built with.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "llvm-22-dev"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

const NO_WAY: &str = "no way to compile Rust to eBPF here, and none that can be installed
hint: with rustup: rustup toolchain install nightly --profile minimal --component rust-src
hint: on Debian 12 or newer, as root: apt-get install --no-install-recommends rustc-web rust-web-src llvm-22-dev";

/// Which compiler builds the kernel programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// rustup's nightly with its `rust-src` component.
    Nightly,
    /// Debian's `rustc-web`, told to accept nightly features.
    Debian,
}

/// A compiler that can build for eBPF.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    way: Way,
    release: String,
    /// The LLVM major version whose bitcode it writes; bpf-linker must read it.
    pub(crate) llvm: u32,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Nightly => "rustup nightly",
            Way::Debian => "Debian's rustc",
        };
        write!(f, "{way} {} (LLVM {})", self.release, self.llvm)
    }
}

impl Toolchain {
    /// The first way that works on this host.
    pub(crate) fn find() -> Option<Self> {
        [Way::Nightly, Way::Debian].into_iter().find_map(Self::probe)
    }

    /// As [`Self::find`]; an error says what to install.
    pub(crate) fn require() -> Result<Self> {
        match Self::find() {
            Some(toolchain) => Ok(toolchain),
            None => bail!(NO_WAY),
        }
    }

    fn probe(way: Way) -> Option<Self> {
        let sysroot =
            PathBuf::from(shell::output(rustc(way).args(["--print", "sysroot"])).ok()?.trim());
        if !sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file() {
            return None;
        }
        let version = shell::output(rustc(way).arg("-vV")).ok()?;
        let release = field(&version, "release: ")?.to_owned();
        let minor: u32 = release.split('.').nth(1)?.parse().ok()?;
        let llvm = field(&version, "LLVM version: ")?.split('.').next()?.parse().ok()?;
        (minor >= OLDEST_MINOR).then_some(Self { way, release, llvm })
    }

    /// A cargo that builds with this compiler.
    pub(crate) fn cargo(&self) -> Command {
        match self.way {
            Way::Nightly => {
                let mut command = shell::fresh(Command::new("rustup"));
                command.args(["run", "nightly", "cargo"]).env_remove("RUSTC");
                command
            }
            Way::Debian => {
                let mut command = shell::cargo();
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command
            }
        }
    }
}

fn rustc(way: Way) -> Command {
    match way {
        Way::Nightly => {
            let mut command = Command::new("rustup");
            command.args(["run", "nightly", "rustc"]);
            command
        }
        Way::Debian => Command::new(DEBIAN_RUSTC),
    }
}

fn field<'a>(version: &'a str, name: &str) -> Option<&'a str> {
    version.lines().find_map(|line| line.strip_prefix(name))
}

/// What installing a toolchain will take on this host.
pub(crate) fn plan() -> Result<Step> {
    // Debian's packages come first where they can be installed: compiler, source and LLVM match.
    if apt::is_here() && shell::is_root() && Path::new("/etc/debian_version").is_file() {
        return Ok(Step {
            what: format!(
                "Debian packages {} (about 400 MB on disk)",
                apt::missing(&DEBIAN_PACKAGES).join(" ")
            ),
            install: Box::new(|workspace| apt::install(workspace, &DEBIAN_PACKAGES)),
        });
    }
    if shell::which("rustup").is_some() {
        return Ok(Step {
            what: "a rustup nightly toolchain with rust-src".to_owned(),
            install: Box::new(|workspace| {
                let mut command = Command::new("rustup");
                command.args([
                    "toolchain",
                    "install",
                    "nightly",
                    "--profile",
                    "minimal",
                    "--component",
                    "rust-src",
                ]);
                shell::run_logged(
                    "rustup toolchain install nightly",
                    &mut command,
                    &workspace.logs().join("rustup.log"),
                )
            }),
        });
    }
    bail!(NO_WAY)
}
