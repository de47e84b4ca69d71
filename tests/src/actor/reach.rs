//! Signals and limits that reach another process without `kill(2)`.

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

/// Lets the kernel send a signal to a process, as news of a descriptor. The
/// kernel does not say whether it did.
pub(super) fn by_descriptor(pid: &str, signal: &str) -> Done {
    let (pid, signal): (i32, i32) = (read(pid)?, read(signal)?);
    let (here, mut there) = UnixStream::pair().map_err(|error| errno(&error))?;
    let fd = here.as_raw_fd();
    // SAFETY: an open descriptor and integers.
    unsafe {
        Errno::result(libc::fcntl(fd, libc::F_SETOWN, pid))?;
        Errno::result(libc::fcntl(fd, SET_SIGNAL, signal))?;
    }
    let _before = fcntl(&here, FcntlArg::F_SETFL(OFlag::O_ASYNC))?;
    there.write_all(b"news").map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Takes a right of another process away, one that no test has a use for.
pub(super) fn limit(pid: &str) -> Done {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let (pid, old): (i32, *mut libc::rlimit) = (read(pid)?, std::ptr::null_mut());
    // SAFETY: a local, and nothing to write to.
    Errno::result(unsafe { libc::prlimit(pid, libc::RLIMIT_MSGQUEUE, &raw const none, old) })?;
    Ok(json!({}))
}
