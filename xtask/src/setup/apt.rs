//! Debian packages: which are missing, which can be had, and installing them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// Whether this host has Debian's package tools.
pub(crate) fn is_here() -> bool {
    shell::which("apt-get").is_some() && shell::which("dpkg-query").is_some()
}

/// Those of `packages` that are not installed.
pub(crate) fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    packages.iter().copied().filter(|package| !is_installed(package)).collect()
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    shell::output(&mut query).is_ok_and(|status| status == "installed")
}

/// The version apt would install, from the lists it has; `None` with no such package.
pub(crate) fn candidate(package: &str) -> Option<String> {
    let policy = shell::output(Command::new("apt-cache").args(["policy", package])).ok()?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Installs `packages`; asks for root, and fetches the package lists only when they lack one.
pub(crate) fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let packages = missing(packages);
    if packages.is_empty() {
        return Ok(());
    }
    if !shell::is_root() {
        bail!(
            "installing Debian packages needs root\nhint: sudo apt-get install --no-install-recommends {}",
            packages.join(" ")
        );
    }
    if packages.iter().any(|package| candidate(package).is_none()) {
        update(workspace)?;
    }
    let mut command = apt_get(&["install", "--yes", "--no-install-recommends"]);
    command.args(&packages);
    shell::run_logged(
        &format!("apt-get install {}", packages.join(" ")),
        &mut command,
        &workspace.logs().join("apt.log"),
    )
}

/// Fetches the package lists.
pub(crate) fn update(workspace: &Workspace) -> Result<()> {
    shell::run_logged(
        "apt-get update",
        &mut apt_get(&["update"]),
        &workspace.logs().join("apt-update.log"),
    )
}

/// `apt-get` that asks nobody anything and waits for another apt to finish.
pub(crate) fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "-o", "DPkg::Lock::Timeout=120"])
        .args(args);
    command
}

/// Downloads a package and unpacks it into `target`; nothing is installed and
/// none of its scripts run.
pub(crate) fn unpack(workspace: &Workspace, package: &str, target: &Path) -> Result<()> {
    if candidate(package).is_none() && shell::is_root() {
        update(workspace)?;
    }
    let aside = workspace.tools().join("downloads").join(package);
    let mut download = apt_get(&["download", package]);
    // apt's own unprivileged user may not write below target/.
    download.args(["-o", "APT::Sandbox::User=root"]);
    let log = workspace.logs().join("download.log");
    extract(&mut download, &format!("download {package}"), &log, &aside, target)
}

/// Runs `download` in the folder `aside`, unpacks every archive that it leaves
/// there into `target`, and removes the folder.
pub(crate) fn extract(
    download: &mut Command,
    title: &str,
    log: &Path,
    aside: &Path,
    target: &Path,
) -> Result<()> {
    for dir in [aside, target] {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    shell::run_logged(title, download.current_dir(aside), log)?;
    let archives = fs::read_dir(aside)?.flatten().map(|entry| entry.path());
    let archives: Vec<_> =
        archives.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    if archives.is_empty() {
        bail!("{download:?} left no archive");
    }
    for archive in &archives {
        shell::run(Command::new("dpkg").arg("--extract").arg(archive).arg(target))?;
    }
    fs::remove_dir_all(aside).with_context(|| format!("remove {}", aside.display()))
}
