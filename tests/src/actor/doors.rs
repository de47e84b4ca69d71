//! Ways out that no network hook sees: odd sockets, system calls, files,
//! signals, abstract Unix sockets.

use std::ffi::{CString, c_long};
use std::fs::{self, OpenOptions};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Done, Streams, errno, read};

/// `socket(2)` with these numbers.
pub(super) fn socket(family: &str, kind: &str, protocol: &str) -> Done {
    let (family, kind, protocol) = (read(family)?, read(kind)?, read(protocol)?);
    // SAFETY: three numbers; the descriptor is closed below.
    let fd = Errno::result(unsafe { libc::socket(family, kind, protocol) })?;
    // SAFETY: ours, just made.
    unsafe { libc::close(fd) };
    Ok(json!({}))
}

/// A system call by its name, with arguments that do no harm where it works.
pub(super) fn call(name: &str) -> Done {
    let (number, arguments): (c_long, [c_long; 4]) = match name {
        "bpf" => (libc::SYS_bpf, [0, 0, 0, 0]),
        "clone3" => (libc::SYS_clone3, [0, 0, 0, 0]),
        "io_uring_setup" => (libc::SYS_io_uring_setup, [0, 0, 0, 0]),
        "keyctl" => (libc::SYS_keyctl, [0, -1, 0, 0]),
        "mount" => (libc::SYS_mount, [0, 0, 0, 0]),
        "open_tree" => (libc::SYS_open_tree, [-1, 0, 0, 0]),
        "perf_event_open" => (libc::SYS_perf_event_open, [0, 0, -1, -1]),
        "pidfd_getfd" => (libc::SYS_pidfd_getfd, [-1, 0, 0, 0]),
        "process_vm_writev" => (libc::SYS_process_vm_writev, [0, 0, 0, 0]),
        "ptrace-traceme" => (libc::SYS_ptrace, [libc::PTRACE_TRACEME as c_long, 0, 0, 0]),
        "setns" => (libc::SYS_setns, [-1, 0, 0, 0]),
        "unshare-user" => (libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0]),
        "unshare-net" => (libc::SYS_unshare, [libc::CLONE_NEWNET.into(), 0, 0, 0]),
        _ => return Err(Errno::ENOSYS),
    };
    let [a, b, c, d] = arguments;
    // SAFETY: null pointers and bad descriptors, which the kernel refuses, or
    // flags for this process alone.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, 0) })?;
    Ok(json!({}))
}

/// Opens an existing file to `read` or `write`, or `create`s a new one.
pub(super) fn open(how: &str, path: &str) -> Done {
    let mut options = OpenOptions::new();
    options.read(how == "read").write(how != "read").create(how == "create");
    options.open(path).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Locks a file or folder for good.
pub(super) fn lock(streams: &mut Streams, path: &str) -> Done {
    let file = fs::File::open(path).map_err(|error| errno(&error))?;
    // SAFETY: an open descriptor and integers.
    Errno::result(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
    streams.others.push(file.into());
    Ok(json!({}))
}

/// Lets everybody write to a file.
pub(super) fn open_up(path: &str) -> Done {
    let mode = fs::metadata(path).map_err(|error| errno(&error))?.permissions().mode();
    let all = fs::Permissions::from_mode(mode | 0o022);
    fs::set_permissions(path, all).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Writes one word into an existing file.
pub(super) fn put(path: &str, word: &str) -> Done {
    fs::write(path, word).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Removes a file.
pub(super) fn unlink(path: &str) -> Done {
    fs::remove_file(path).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Makes a link to `target`.
pub(super) fn symlink(target: &str, path: &str) -> Done {
    std::os::unix::fs::symlink(target, path).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Resolves a path that may be or cross links, without opening it.
pub(super) fn stat(path: &str) -> Done {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    nix::sys::stat::stat(path.as_c_str())?;
    Ok(json!({}))
}

/// Asks whether a signal could be sent; signal 0 harms nobody.
pub(super) fn signal(pid: &str) -> Done {
    kill(Pid::from_raw(read(pid)?), None::<Signal>)?;
    Ok(json!({}))
}

/// Listens at an abstract name until the helper ends.
pub(super) fn abstract_listen(name: &str) -> Done {
    let address = SocketAddr::from_abstract_name(name).map_err(|error| errno(&error))?;
    let listener = UnixListener::bind_addr(&address).map_err(|error| errno(&error))?;
    let _left_open = listener.into_raw_fd();
    Ok(json!({}))
}

/// A variable of the environment.
pub(super) fn variable(name: &str) -> Done {
    Ok(json!({ "value": std::env::var(name).ok() }))
}
