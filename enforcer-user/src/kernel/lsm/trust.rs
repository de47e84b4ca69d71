//! The daemon's own child goes into agents' cgroups and comes back: the one
//! process that may. It is told apart by a tag that only this side can write.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use enforcer_common::TaskTag;

use super::calls;
use crate::kernel::error::KernelError;
use crate::kernel::sys;

const TASKS: &str = "TASKS";

/// Tags the process as the daemon's own, by the map pinned in `maps`.
pub(crate) fn trust(maps: &Path, pid: u32) -> Result<(), KernelError> {
    let pin = maps.join(TASKS);
    let map = sys::open_pin(&pin).map_err(KernelError::io("open", &pin))?;
    let map = map.ok_or_else(|| KernelError::NoPins { dir: maps.to_owned() })?;
    let process = pidfd(pid).map_err(KernelError::io("tag a process in", &pin))?;
    let tag = TaskTag { kind: TaskTag::TRUSTED, cgroup_id: 0 };
    // The key of such a map is a descriptor of the process.
    calls::map_update(map.as_fd(), &process.as_raw_fd(), &tag)
        .map_err(KernelError::io("tag a process in", &pin))
}

fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
