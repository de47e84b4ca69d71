//! What reaches another process without `kill(2)`: signals, limits, priorities.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use serde_json::json;

use super::{Done, errno, read};

/// `F_SETSIG` of `include/uapi/asm-generic/fcntl.h`.
const SET_SIGNAL: i32 = 10;
/// `F_SETOWN_EX`, likewise.
const SET_OWNER_BY_STRUCT: i32 = 15;
/// `FIOSETOWN` and `SIOCSPGRP` of `include/uapi/asm-generic/sockios.h`.
const SET_OWNER_BY_IOCTL: libc::c_ulong = 0x8901;
const SET_OWNER_OF_SOCKET: libc::c_ulong = 0x8902;
/// `IOPRIO_WHO_PROCESS` and the class `IOPRIO_CLASS_IDLE` of `include/uapi/linux/ioprio.h`.
const WHO_PROCESS: i32 = 1;
const IDLE: i32 = 3 << 13;

/// Lets the kernel send a signal to a process, as news of a descriptor. The
/// kernel does not say whether it did.
pub(super) fn by_descriptor(how: &str, pid: &str, signal: &str) -> Done {
    let (pid, signal): (i32, i32) = (read(pid)?, read(signal)?);
    let (here, mut there) = UnixStream::pair().map_err(|error| errno(&error))?;
    let fd = here.as_raw_fd();
    // The kind of a number that is a process's, `F_OWNER_PID`, and the number.
    let by_struct = [1, pid];
    // SAFETY: an open descriptor, integers, and locals of the right size.
    unsafe {
        Errno::result(match how {
            "fcntl" => libc::fcntl(fd, libc::F_SETOWN, pid),
            "struct" => libc::fcntl(fd, SET_OWNER_BY_STRUCT, &raw const by_struct),
            "ioctl" => libc::ioctl(fd, SET_OWNER_BY_IOCTL, &raw const pid),
            "ioctl-socket" => libc::ioctl(fd, SET_OWNER_OF_SOCKET, &raw const pid),
            _ => return Err(Errno::ENOSYS),
        })?;
        Errno::result(libc::fcntl(fd, SET_SIGNAL, signal))?;
    }
    let _before = fcntl(&here, FcntlArg::F_SETFL(OFlag::O_ASYNC))?;
    there.write_all(b"news").map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Gives another process less of the machine, of what no test has a use for.
pub(super) fn starve(what: &str, pid: &str) -> Done {
    let pid: i32 = read(pid)?;
    // Every processor of a machine with few.
    let everywhere = u64::MAX;
    // SAFETY: integers, and a local of the size that goes with it.
    Errno::result(unsafe {
        match what {
            "limit" => return limit(pid),
            "nice" => libc::setpriority(libc::PRIO_PROCESS, pid.cast_unsigned(), 1).into(),
            "affinity" => {
                libc::sched_setaffinity(pid, size_of::<u64>(), (&raw const everywhere).cast())
                    .into()
            }
            "ioprio" => libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, pid, IDLE),
            _ => return Err(Errno::ENOSYS),
        }
    })?;
    Ok(json!({}))
}

fn limit(pid: i32) -> Done {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let old: *mut libc::rlimit = std::ptr::null_mut();
    // SAFETY: a local, and nothing to write to.
    Errno::result(unsafe { libc::prlimit(pid, libc::RLIMIT_MSGQUEUE, &raw const none, old) })?;
    Ok(json!({}))
}
