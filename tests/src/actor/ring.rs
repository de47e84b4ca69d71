//! Sockets by io_uring: made, connected and written to without a system call
//! of that name. `polled` rings are read by a thread of the kernel.

use std::net::SocketAddr;
use std::os::fd::RawFd;

use io_uring::squeue::Entry;
use io_uring::types::Fd;
use io_uring::{IoUring, opcode};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};
use serde_json::json;

use super::{Done, read};

/// Milliseconds until the kernel's thread goes to sleep.
const IDLE: u32 = 100;

/// Sends a little to a destination, all of it through a ring: `tcp`, `udp`
/// (connected) or `message` (unconnected UDP).
pub(super) fn reach(how: &str, kind: &str, address: &str, port: &str) -> Done {
    let to = SocketAddr::new(read(address)?, read(port)?);
    let mut ring = open(how)?;
    let domain = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let of_kind = if kind == "tcp" { libc::SOCK_STREAM } else { libc::SOCK_DGRAM };
    let socket = opcode::Socket::new(domain, of_kind | libc::SOCK_CLOEXEC, 0).build();
    // SAFETY: no pointers.
    let fd = unsafe { run(&mut ring, &socket)? };
    let name = SockaddrStorage::from(to);
    let sent = if kind == "message" {
        message(&mut ring, fd, &name)
    } else {
        let connect = opcode::Connect::new(Fd(fd), name.as_ptr(), name.len()).build();
        // SAFETY: the address outlives the call.
        let connected = unsafe { run(&mut ring, &connect) };
        connected.and_then(|_| send(&mut ring, fd, b"by a ring"))
    };
    let close = opcode::Close::new(Fd(fd)).build();
    // SAFETY: ours, and no pointers.
    unsafe { run(&mut ring, &close)? };
    Ok(json!({ "bytes": sent? }))
}

/// Sets an option of a fresh UDP socket to 1, through a ring (Linux 6.7).
pub(super) fn option(level: &str, name: &str) -> Done {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").map_err(|_| Errno::EIO)?;
    let (fd, value) = (std::os::fd::AsRawFd::as_raw_fd(&socket), 1_i32);
    let value = (&raw const value).cast();
    let set = opcode::SetSockOpt::new(Fd(fd), read(level)?, read(name)?, value, 4).build();
    // SAFETY: the value outlives the call.
    unsafe { run(&mut open("plain")?, &set)? };
    Ok(json!({}))
}

pub(super) fn send_on(fd: RawFd, how: &str, data: &[u8]) -> Result<usize, Errno> {
    send(&mut open(how)?, fd, data)
}

pub(super) fn send_zerocopy(fd: RawFd, data: &[u8]) -> Result<usize, Errno> {
    let length = u32::try_from(data.len()).map_err(|_| Errno::EINVAL)?;
    let send = opcode::SendZc::new(Fd(fd), data.as_ptr(), length).build();
    // SAFETY: the data outlives the call; the constant's pages outlive all.
    bytes(unsafe { run(&mut open("plain")?, &send) })
}

fn send(ring: &mut IoUring, fd: RawFd, data: &[u8]) -> Result<usize, Errno> {
    let length = u32::try_from(data.len()).map_err(|_| Errno::EINVAL)?;
    let send = opcode::Send::new(Fd(fd), data.as_ptr(), length).build();
    // SAFETY: the data outlives the call.
    bytes(unsafe { run(ring, &send) })
}

fn message(ring: &mut IoUring, fd: RawFd, to: &SockaddrStorage) -> Result<usize, Errno> {
    let mut data = *b"by a ring";
    let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    // SAFETY: all zero is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let send = opcode::SendMsg::new(Fd(fd), &raw const message).build();
    // SAFETY: what it points to outlives the call.
    bytes(unsafe { run(ring, &send) })
}

fn open(how: &str) -> Result<IoUring, Errno> {
    let mut builder = IoUring::builder();
    if how == "polled" {
        builder.setup_sqpoll(IDLE);
    }
    builder.build(4).map_err(|error| super::errno(&error))
}

/// Submits one entry and waits for its result.
///
/// # Safety
/// What the entry points to must live until this returns.
unsafe fn run(ring: &mut IoUring, entry: &Entry) -> Result<i32, Errno> {
    // SAFETY: the caller's entry.
    unsafe { ring.submission().push(entry) }.map_err(|_| Errno::EAGAIN)?;
    ring.submit_and_wait(1).map_err(|error| super::errno(&error))?;
    let result = ring.completion().next().ok_or(Errno::EIO)?.result();
    if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result) }
}

fn bytes(result: Result<i32, Errno>) -> Result<usize, Errno> {
    usize::try_from(result?).map_err(|_| Errno::EIO)
}
