//! `enforcer doctor` on a host that lacks something: taken away for that one
//! process, in a mount namespace of its own or by a system call filter.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule};
use serde_json::Value;

use crate::binaries;

/// What the doctor said.
pub struct Diagnosis {
    /// Its exit code.
    pub code: i32,
    report: Value,
}

// === impl Diagnosis ===

impl Diagnosis {
    /// Runs the doctor, after `lack` in the process that becomes it.
    pub fn of(args: &[&str], lack: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        let mut command = Command::new(binaries::enforcer());
        command.args(["doctor", "-o", "json"]).args(args);
        // SAFETY: between fork and exec of a process whose other threads hold no lock that
        // these closures take: they make system calls, with memory made beforehand.
        unsafe { command.pre_exec(lack) };
        let output = command.output().expect("run enforcer doctor");
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        Self { code: output.status.code().expect("it was not killed"), report }
    }

    /// Whether the host was said to be able to enforce; the exit code agrees.
    pub fn can_enforce(&self) -> bool {
        let can = self.report["can_enforce"].as_bool().expect("can_enforce");
        assert_eq!(self.code, if can { 0 } else { 3 }, "{:#}", self.report);
        can
    }

    /// State, and all that is said of it in one text.
    #[track_caller]
    pub fn check(&self, name: &str) -> (&str, String) {
        let found = self.checks().iter().find(|check| check["name"] == name);
        let check = found.unwrap_or_else(|| panic!("no check {name}: {:#}", self.report));
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let said = [text("found"), text("cost"), text("remedy")].join(" | ");
        (check["state"].as_str().expect("a state"), said)
    }

    /// Names of the checks that are not in order.
    pub fn complaints(&self) -> Vec<&str> {
        let bad = self.checks().iter().filter(|check| check["state"] != "ok");
        bad.filter_map(|check| check["name"].as_str()).collect()
    }

    fn checks(&self) -> &[Value] {
        self.report["checks"].as_array().expect("checks")
    }
}

/// A mount namespace whose changes nobody else sees.
pub fn own_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    Ok(())
}

/// Hides what is in a folder.
pub fn hide(folder: &str) -> io::Result<()> {
    mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

/// Makes a mount read-only (in a mount namespace of one's own).
pub fn read_only(folder: &std::path::Path) -> io::Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(None::<&str>, folder, None::<&str>, flags, None::<&str>)?;
    Ok(())
}

/// Unmounts, also what is in use.
pub fn unmount(folder: &str) -> io::Result<()> {
    umount2(folder, MntFlags::MNT_DETACH)?;
    Ok(())
}

/// A filter that answers these system calls, when `rule` matches or always,
/// with an error.
pub fn without(calls: &[(i64, Vec<SeccompRule>)], errno: i32) -> BpfProgram {
    let refuse = SeccompAction::Errno(errno.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into().expect("a known architecture");
    let filter =
        SeccompFilter::new(calls.iter().cloned().collect(), SeccompAction::Allow, refuse, arch)
            .expect("a filter");
    filter.try_into().expect("a program")
}

/// Installs it for this process.
pub fn install(filter: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(filter).map_err(io::Error::other)
}
