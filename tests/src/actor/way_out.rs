//! Ways out of a cgroup and ways to the enforcement itself, as plain system
//! calls: what matters is the kernel's answer.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{self, c_int, c_long, c_ulong};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

use super::{Done, errno, read};
use crate::reborn::CloneArgs;

/// `bpf(2)` with this command and an empty attribute.
pub(super) fn bpf(command: &str) -> Done {
    let (attr, command) = ([0_u64; 16], read::<c_long>(command)?);
    // SAFETY: the attribute is as long as it is said to be.
    result(unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of_val(&attr)) })
}

/// `unshare(2)` with these flags.
pub(super) fn unshare(flags: &str) -> Done {
    let flags: c_int = read(flags)?;
    // SAFETY: an integer.
    result(unsafe { libc::unshare(flags) }.into())
}

/// `kill(2)`.
pub(super) fn kill(pid: &str, signal: &str) -> Done {
    let (pid, signal): (c_int, c_int) = (read(pid)?, read(signal)?);
    // SAFETY: integers.
    result(unsafe { libc::kill(pid, signal) }.into())
}

/// Seizes a process by `ptrace(2)`.
pub(super) fn ptrace(pid: &str) -> Done {
    let pid: c_int = read(pid)?;
    // SAFETY: seizing takes no addresses.
    result(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0 as c_ulong, 0 as c_ulong) })
}

/// Takes a descriptor of another process by `pidfd_getfd(2)`.
pub(super) fn take(pid: &str, fd: &str) -> Done {
    let (pid, fd): (c_long, c_long) = (read(pid)?, read(fd)?);
    // SAFETY: integers.
    unsafe {
        let pidfd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        result(libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, 0))
    }
}

/// Asks for a key that is not there, so that the kernel starts its helper.
pub(super) fn request_key() -> Done {
    let (kind, name) = (c"user".as_ptr(), c"enforcer-lab".as_ptr());
    // SAFETY: C strings that live as long as the program; -3 is the session's keyring.
    result(unsafe { libc::syscall(libc::SYS_request_key, kind, name, c"x".as_ptr(), -3) })
}

/// Changes a folder or a mount.
pub(super) fn change(how: &str, path: &str) -> Done {
    let name = CString::new(path).map_err(|_| Errno::EINVAL)?;
    match how {
        "mkdir" => fs::create_dir(path).map_err(|error| errno(&error))?,
        "unlink" => fs::remove_file(path).map_err(|error| errno(&error))?,
        "rename" => fs::rename(path, format!("{path}_moved")).map_err(|error| errno(&error))?,
        // SAFETY: C strings that outlive the calls.
        "mount" => unsafe {
            let tmpfs = c"tmpfs".as_ptr();
            Errno::result(libc::mount(tmpfs, name.as_ptr(), tmpfs, 0, std::ptr::null()))?;
        },
        // SAFETY: as above.
        "umount" => unsafe {
            Errno::result(libc::umount2(name.as_ptr(), libc::MNT_DETACH))?;
        },
        _ => return Err(Errno::ENOSYS),
    }
    Ok(json!({}))
}

/// Starts a child in another cgroup by `clone3(2)`; it says that it runs by
/// making the file `marker`.
pub(super) fn clone_into(cgroup: &str, marker: &str) -> Done {
    let folder = File::open(cgroup).map_err(|error| errno(&error))?;
    let marker = CString::new(marker).map_err(|_| Errno::EINVAL)?;
    let args = CloneArgs {
        flags: 0x2_0000_0000,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        cgroup: u64::from(folder.as_raw_fd().cast_unsigned()),
        ..CloneArgs::default()
    };
    // SAFETY: the arguments are as long as said; without a stack it is a fork,
    // and the child makes two system calls that are async-signal-safe.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    if pid == 0 {
        // SAFETY: as above.
        unsafe {
            libc::creat(marker.as_ptr(), 0o600);
            libc::_exit(0)
        }
    }
    let pid = i32::try_from(Errno::result(pid)?).map_err(|_| Errno::EOVERFLOW)?;
    let killed = matches!(waitpid(Pid::from_raw(pid), None)?, WaitStatus::Signaled(..));
    Ok(json!({ "killed": killed }))
}

/// Writes to a descriptor that was handed in.
pub(super) fn write_fd(fd: &str, text: &str) -> Done {
    let fd: c_int = read(fd)?;
    // SAFETY: a buffer and its length; a bad descriptor is an error.
    result(unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) } as c_long)
}

fn result(answer: c_long) -> Done {
    Errno::result(answer).map(|answer| json!({ "result": answer }))
}
