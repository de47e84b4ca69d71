//! What the demo makes on the host, by fixed names, so that any later run can
//! remove what a killed one left.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// Network namespace of the agent, the daemon and the authorization server.
pub(crate) const NEAR: &str = "enforcer-demo";
/// Network namespace of the two APIs.
pub(crate) const FAR: &str = "enforcer-demo-peer";
/// As in `policies/demo/enforcer.toml`.
const ROOT_CGROUP: &str = "enforcer-demo.slice";
const PINS: &str = "/sys/fs/bpf/enforcer-demo";

/// Where the demo keeps its files.
pub(crate) fn folder() -> PathBuf {
    std::env::temp_dir().join("enforcer-demo")
}

/// The right to the demo's names; dropping it removes everything that bears one.
pub(crate) struct Sweep(());

impl Sweep {
    /// Removes what an earlier run left; refuses while another one is running.
    pub(crate) fn claim(workspace: &Workspace) -> Result<Self> {
        if let Some(pid) = running() {
            bail!("a demo is already running (pid {pid})");
        }
        remove_all();
        let folder = folder();
        copy_tree(&workspace.root().join("policies/demo"), &folder)?;
        let secrets = fs::DirBuilder::new().mode(0o700).create(folder.join("secrets"));
        secrets.context("make the folder of secrets")?;
        fs::write(folder.join("pid"), std::process::id().to_string())
            .context("write the pid file")?;
        Ok(Self(()))
    }

    /// Prints what the daemon has logged.
    pub(crate) fn show_log(&self) {
        let log = fs::read_to_string(folder().join("daemon.log")).unwrap_or_default();
        eprintln!("--- the daemon's log ---\n{log}");
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        remove_all();
    }
}

fn running() -> Option<u32> {
    let pid: u32 = fs::read_to_string(folder().join("pid")).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (pid != std::process::id() && name.trim() == "xtask").then_some(pid)
}

/// Writes what only root may read; the daemon refuses a secret that others can.
pub(crate) fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(secret.as_bytes()));
    written.with_context(|| format!("write {}", path.display()))
}

/// Removes everything. Safe to call at any time and from any thread; what is
/// not there is not missed.
pub(crate) fn remove_all() {
    for netns in [NEAR, FAR] {
        end_processes(netns);
    }
    let root = shell::mount_point("cgroup2").map(|mount| mount.join(ROOT_CGROUP));
    if let Some(root) = root.filter(|root| root.is_dir()) {
        drop(fs::write(root.join("cgroup.kill"), "1"));
        until(|| remove_cgroups(&root));
    }
    // Unpinning the links is what takes the programs off the cgroup.
    drop(fs::remove_dir_all(PINS));
    for netns in [NEAR, FAR] {
        quiet(Command::new("ip").args(["netns", "delete", netns]));
    }
    // The agent's own folder, which `enforcer exec` has mounted.
    quiet(Command::new("umount").arg(folder().join("agents/demo-agent")));
    drop(fs::remove_dir_all(folder()));
}

/// Ends what runs in the namespace: only the demo puts anything there.
fn end_processes(netns: &str) {
    let pids =
        || shell::output(Command::new("ip").args(["netns", "pids", netns])).unwrap_or_default();
    until(|| {
        let pids = pids();
        pids.split_whitespace().for_each(|pid| quiet(Command::new("kill").args(["-KILL", pid])));
        pids.trim().is_empty()
    });
}

/// Leaves first; a cgroup whose processes are still dying is busy for a moment.
fn remove_cgroups(path: &Path) -> bool {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroups(&entry.path());
        }
    }
    fs::remove_dir(path).is_ok() || !path.exists()
}

fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !done() && Instant::now() < deadline {
        sleep(Duration::from_millis(20));
    }
}

/// Runs a command whose failure means that there was nothing to do.
fn quiet(command: &mut Command) {
    drop(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let (source, target) = (
            entry.as_ref().map(fs::DirEntry::path).map_err(|error| anyhow::anyhow!("{error}"))?,
            to.join(entry?.file_name()),
        );
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("copy {}", source.display()))?;
        }
    }
    Ok(())
}
