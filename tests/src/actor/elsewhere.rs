//! Other namespaces, other routes, other memory: what lies beside the agent.

use std::ffi::{CString, c_ulong};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect,
    recv, send, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use serde_json::json;

use super::{Done, Streams, errno, read};

/// `NLM_F_REQUEST | NLM_F_ACK` of `include/uapi/linux/netlink.h`.
const ASK: u16 = 5;

/// Moves into the namespace of a file such as `/proc/PID/ns/net`.
pub(super) fn enter(path: &str) -> Done {
    let place = File::open(path).map_err(|error| errno(&error))?;
    setns(place, CloneFlags::empty())?;
    Ok(json!({}))
}

/// Makes a user and a network namespace of its own.
pub(super) fn own_namespaces() -> Done {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    Ok(json!({}))
}

/// Takes a folder for `/`.
pub(super) fn change_root(folder: &str) -> Done {
    std::os::unix::fs::chroot(folder).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Asks for a change of routes, neighbours, links …, as an empty message of
/// this type. Without the privilege for it the kernel refuses before it reads.
pub(super) fn change(kind: &str) -> Done {
    let kind: u16 = read(kind)?;
    let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkRoute);
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    // `struct nlmsghdr`, and room for the header of any family.
    let mut message = 80_u32.to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), ASK.to_ne_bytes()].concat());
    message.resize(80, 0);
    let _sent = send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0_u8; 256];
    let _length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    if code == 0 { Ok(json!({})) } else { Err(Errno::from_raw(-code)) }
}

/// Writes into a process by `process_vm_writev(2)`, at an address where nothing
/// is: `EFAULT` says that the kernel would have written.
pub(super) fn poke(pid: &str) -> Done {
    let data = libc::iovec { iov_base: [7_u8; 8].as_mut_ptr().cast(), iov_len: 8 };
    let there = libc::iovec { iov_base: std::ptr::without_provenance_mut(64), iov_len: 8 };
    // SAFETY: the first vector is a local of the length given; the second is
    // the other process's.
    let written =
        unsafe { libc::process_vm_writev(read(pid)?, &raw const data, 1, &raw const there, 1, 0) };
    Ok(json!({ "written": Errno::result(written)? }))
}

/// Mounts a file system on a folder in a mount namespace of its own.
pub(super) fn mount_own(kind: &str, folder: &str) -> Done {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let [kind, folder] = [kind, folder].map(CString::new);
    let (kind, folder) = (kind.map_err(|_| Errno::EINVAL)?, folder.map_err(|_| Errno::EINVAL)?);
    let private: c_ulong = libc::MS_REC | libc::MS_PRIVATE;
    let none = std::ptr::null();
    // SAFETY: C strings that outlive the calls.
    unsafe {
        Errno::result(libc::mount(none, c"/".as_ptr(), none, private, none.cast()))?;
        let data = none.cast();
        Errno::result(libc::mount(kind.as_ptr(), folder.as_ptr(), kind.as_ptr(), 0, data))?;
    }
    Ok(json!({}))
}

/// Connects from a chosen port, or any (0), of a chosen address; sends a little
/// and waits for as much.
pub(super) fn call_from(kind: &str, own: &str, to: &str) -> Done {
    let (own, to): (SocketAddr, SocketAddr) = (read(own)?, read(to)?);
    let kind = if kind == "tcp" { SockType::Stream } else { SockType::Datagram };
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(1, 0))?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(1, 0))?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(own))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    let _sent = send(socket.as_raw_fd(), b"hello", MsgFlags::empty())?;
    let bytes = recv(socket.as_raw_fd(), &mut [0; 16], MsgFlags::empty())?;
    Ok(json!({ "bytes": bytes }))
}

/// Sends a datagram to a group, or to everybody.
pub(super) fn to_all(address: &str, port: &str) -> Done {
    let to = super::aim::target(address, port)?;
    let socket = super::aim::for_target(to, SockType::Datagram)?;
    setsockopt(&socket, sockopt::Broadcast, &true)?;
    let to = SockaddrStorage::from(to);
    let bytes = sendto(socket.as_raw_fd(), b"all", &to, MsgFlags::empty())?;
    Ok(json!({ "bytes": bytes }))
}

/// Waits a second for a datagram at the UDP socket `name`, and answers it.
pub(super) fn answer(streams: &Streams, name: &str) -> Done {
    let socket = streams.udp.get(name).ok_or(Errno::EBADF)?;
    setsockopt(socket, sockopt::ReceiveTimeout, &TimeVal::new(1, 0))?;
    let (bytes, from) = socket.recv_from(&mut [0; 64]).map_err(|error| errno(&error))?;
    socket.send_to(&[7; 5], from).map_err(|error| errno(&error))?;
    Ok(json!({ "bytes": bytes, "from": from.ip().to_string() }))
}
