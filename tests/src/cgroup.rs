//! Cgroups of a lab, below the cgroup2 mount wherever that is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::wait::within;

/// The cgroup2 mount: hybrid hosts have it somewhere else than expected.
///
/// # Panics
/// When no cgroup2 is mounted.
pub fn mount_point() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("read /proc/mounts");
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .map(|fields| PathBuf::from(fields[1]))
        .expect("a cgroup2 mount")
}

/// Makes `command` start inside the cgroup at `path`, before its first
/// instruction.
pub fn put<'a>(command: &'a mut Command, path: &Path) -> &'a mut Command {
    use std::os::unix::process::CommandExt;
    let procs =
        std::ffi::CString::new(path.join("cgroup.procs").into_os_string().into_encoded_bytes())
            .expect("no NUL in a cgroup's path");
    // SAFETY: `open`, `write` and `close` are async-signal-safe and the path
    // was allocated before the fork.
    unsafe {
        command.pre_exec(move || {
            let fd = libc::open(procs.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            let done = fd >= 0 && libc::write(fd, c"0".as_ptr().cast(), 1) == 1;
            let result = if done { Ok(()) } else { Err(io::Error::last_os_error()) };
            if fd >= 0 {
                libc::close(fd);
            }
            result
        });
    }
    command
}

/// Moves this process, all its threads, into the cgroup at `path`.
pub fn enter(path: &Path) -> io::Result<()> {
    fs::write(path.join("cgroup.procs"), std::process::id().to_string())
}

/// Kills what runs in the cgroup at `path` and below, and removes it all.
/// What cannot be removed is left for the next sweep.
pub fn remove(path: &Path) {
    if !path.is_dir() {
        return;
    }
    let _killed = fs::write(path.join("cgroup.kill"), "1");
    within(Duration::from_secs(10), "the lab's cgroups to be empty", || {
        remove_tree(path).then_some(())
    });
}

/// Removes leaves first; a cgroup with dying processes is busy for a while.
fn remove_tree(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return !path.exists() };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    fs::remove_dir(path).is_ok() || !path.exists()
}

/// A cgroup of its own right below the mount, outside every lab's root; goes
/// when it is dropped. A sweep knows it by the start of its name.
#[derive(Debug)]
pub struct Scoped(pub PathBuf);

// === impl Scoped ===

impl Scoped {
    /// Makes one.
    pub fn new(name: &str) -> Self {
        let path = mount_point().join(name);
        fs::create_dir(&path).expect("make a cgroup");
        Self(path)
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        remove(&self.0);
    }
}
