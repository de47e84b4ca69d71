//! What is to be adopted, and what never is.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Order, Refusal};
use crate::daemon::core::Core;
use crate::policy::AgentName;
use crate::sockets::Subtree;

/// `PF_KTHREAD` of `include/linux/sched.h`, in field 9 of `/proc/PID/stat`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What is to be adopted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// One process.
    Process(u32),
    /// Every process in a cgroup (absolute) and below.
    Cgroup(PathBuf),
}

// === impl Target ===

impl Target {
    /// What the order names.
    pub(super) fn of(core: &Core, order: &Order) -> Result<Self, Refusal> {
        match (&order.cgroup, order.pid) {
            (None, Some(pid)) => Ok(Self::Process(pid)),
            (Some(path), None) => cgroup(&core.mount, path).map(Self::Cgroup),
            (None, None) | (Some(_), Some(_)) => {
                Err(Refusal::new("adopt: either a process or a cgroup, and one of them"))
            }
        }
    }

    /// Its processes now.
    pub(super) fn processes(&self) -> Vec<u32> {
        match self {
            Self::Process(pid) => vec![*pid],
            Self::Cgroup(path) => processes_in(path),
        }
    }

    /// Refuses what must not be frozen, cannot be moved or is somebody else's.
    pub(super) fn check(&self, core: &Core, agent: &AgentName, home: &Path) -> Result<(), Refusal> {
        if let Self::Cgroup(path) = self
            && home.starts_with(path)
        {
            let message = format!("cgroup {} holds the agent's own", path.display());
            return Err(Refusal::new(message).hint("name the cgroup of what is to be adopted"));
        }
        let pids = self.processes();
        if pids.is_empty() {
            return Err(Refusal::new("no process in the cgroup").hint("look into its cgroup.procs"));
        }
        pids.iter().try_for_each(|&pid| check_process(core, agent, pid))
    }
}

/// A cgroup as it was typed, with or without the mount in front.
fn cgroup(mount: &Path, typed: &Path) -> Result<PathBuf, Refusal> {
    let inside = typed.strip_prefix(mount).or_else(|_| typed.strip_prefix("/")).unwrap_or(typed);
    let wrong = |what: &str| {
        Refusal::new(format!("cgroup {}: {what}", typed.display()))
            .hint(format!("a path below {}, as in /proc/PID/cgroup", mount.display()))
    };
    let path = mount.join(inside).canonicalize().map_err(|e| wrong(&e.to_string()))?;
    let is_below = path.starts_with(mount) && path != mount && path.join("cgroup.procs").exists();
    if is_below { Ok(path) } else { Err(wrong("no cgroup that can be adopted")) }
}

/// Threads as the hierarchy lists them, each counted for its process.
fn processes_in(cgroup: &Path) -> Vec<u32> {
    let threads = Subtree::of(&[cgroup]).threads;
    let pids: HashSet<u32> = threads.into_iter().filter_map(|t| status(t, "Tgid")).collect();
    let mut pids: Vec<u32> = pids.into_iter().collect();
    pids.sort_unstable();
    pids
}

fn check_process(core: &Core, agent: &AgentName, pid: u32) -> Result<(), Refusal> {
    let refuse =
        |why: &str, hint: String| Err(Refusal::new(format!("process {pid} {why}")).hint(hint));
    let own = std::process::id();
    match status(pid, "Tgid") {
        None => return refuse("does not exist", "it may have ended".to_owned()),
        Some(process) if process != pid => {
            return refuse("is a thread", format!("its process is {process}"));
        }
        Some(1) => return refuse("is the host's init", "adopt what it has started".to_owned()),
        Some(_) => {}
    }
    if pid == own || status(pid, "PPid") == Some(own) {
        return refuse("is the enforcer itself", "adopt the agent's own processes".to_owned());
    }
    if is_kernel_thread(pid) {
        return refuse("is a kernel thread", "no cgroup's rules hold for the kernel".to_owned());
    }
    match owner(core, pid) {
        Some(other) if other != *agent => {
            let hint = "stop it there and start it anew with `enforcer exec`";
            refuse(&format!("is agent {other}'s"), hint.to_owned())
        }
        _ => Ok(()),
    }
}

/// The agent whose cgroup, or below whose cgroup, the process is in; the outer
/// one, as in the kernel.
fn owner(core: &Core, pid: u32) -> Option<AgentName> {
    let path = cgroup_of(pid)?;
    let mut above: Vec<_> = core.cgroups();
    above.retain(|cgroup| path.starts_with(&cgroup.path));
    above.into_iter().min_by_key(|c| c.path.components().count()).map(|cgroup| cgroup.agent)
}

/// The cgroup of a process, relative to the mount (cgroups(7): the line `0::`).
pub(in crate::daemon) fn cgroup_of(pid: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::/")).map(PathBuf::from)
}

/// A number of `/proc/PID/status`.
fn status(pid: u32, key: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.trim().parse().ok())
}

/// The name in field 2 may hold anything: counting starts behind it.
fn is_kernel_thread(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6));
    flags.and_then(|flags| flags.parse::<u64>().ok()).is_some_and(|f| f & KERNEL_THREAD != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_may_be_typed_with_or_without_its_mount() {
        let mount = tempfile::tempdir().expect("made");
        let folder = mount.path().join("a/b");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("cgroup.procs"), "").expect("written");
        for typed in [Path::new("a/b"), Path::new("/a/b"), &folder] {
            assert_eq!(cgroup(mount.path(), typed).expect("found"), folder);
        }
        for typed in ["", "/", "..", "a/../..", "missing", "a"] {
            let refusal = cgroup(mount.path(), Path::new(typed)).expect_err(typed);
            assert!(refusal.hint.is_some(), "{refusal:?}");
        }
    }

    #[test]
    fn this_process_is_no_kernel_thread_and_the_kernels_are() {
        assert!(!is_kernel_thread(std::process::id()));
        // kthreadd, where there are process ids of the host.
        let kthreadd = fs::read_to_string("/proc/2/comm").is_ok_and(|c| c.trim() == "kthreadd");
        assert_eq!(is_kernel_thread(2), kthreadd);
    }
}
