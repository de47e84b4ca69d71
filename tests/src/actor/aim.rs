//! Ways to name a destination in a call, and to name one after another.

use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrStorage, bind,
    connect, getsockopt, send, sendto, socket, sockopt,
};
use serde_json::json;

use super::{Done, Streams, read};
use crate::ALLOWED_V4;

/// Larger than any packet: the kernel has to cut it up.
const BIG: usize = 60_000;
/// `TCP_FASTOPEN_CONNECT` of `include/uapi/linux/tcp.h`.
const FASTOPEN_CONNECT: c_int = 30;
/// `UDP_SEGMENT` of `include/uapi/linux/udp.h`.
const SEGMENT: c_int = 103;
/// How long a connection that hangs is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends a little data to a destination, in a way of this name.
pub(super) fn at(how: &str, address: &str, port: &str) -> Done {
    let to = target(address, port)?;
    match how {
        "unspec" => by_short_address(AddressFamily::Inet, libc::AF_UNSPEC, to)?,
        "v4-on-v6" => by_short_address(AddressFamily::Inet6, libc::AF_INET, to)?,
        "v4-connect-on-v6" => v4_connect_on_v6(to)?,
        "fastopen" => fastopen(to)?,
        "fastopen-connect" => fastopen_connect(to)?,
        "bound" => bound(to)?,
        "waiting" => waiting(to)?,
        "big" => datagram(to, &vec![7; BIG])?,
        "segments" => segments(to)?,
        "more" => more(to)?,
        _ => return Err(Errno::ENOSYS),
    }
    Ok(json!({}))
}

/// Turns the UDP socket `name` elsewhere: `at-once`, or after `AF_UNSPEC`.
pub(super) fn turn(streams: &Streams, how: &str, name: &str, address: &str, port: &str) -> Done {
    let fd = streams.udp.get(name).ok_or(Errno::EBADF)?.as_raw_fd();
    if how == "by-nowhere" {
        let nowhere = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
        // SAFETY: the address is a local of the length given.
        Errno::result(unsafe { libc::connect(fd, &raw const nowhere, 16) })?;
    }
    connect(fd, &SockaddrStorage::from(target(address, port)?))?;
    Ok(json!({}))
}

/// One `sendmmsg(2)` to several IPv4 addresses, commas between; how many of the
/// datagrams the kernel took.
pub(super) fn batch(addresses: &str, port: &str) -> Done {
    let port = read(port)?;
    let to = addresses.split(',').map(|word| Ok(SocketAddrV4::new(read(word)?, port)));
    let mut names = to.collect::<Result<Vec<_>, Errno>>()?;
    let mut names: Vec<_> = names.drain(..).map(|to| short(libc::AF_INET, to)).collect();
    let mut data = libc::iovec { iov_base: [7_u8; 32].as_mut_ptr().cast(), iov_len: 32 };
    let message = |name: &mut libc::sockaddr_in| {
        // SAFETY: all zero is an empty message.
        let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
        message.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
        message.msg_hdr.msg_namelen = 16;
        message.msg_hdr.msg_iov = &raw mut data;
        message.msg_hdr.msg_iovlen = 1;
        message
    };
    let mut messages: Vec<_> = names.iter_mut().map(message).collect();
    let count = u32::try_from(messages.len()).map_err(|_| Errno::EINVAL)?;
    let socket = fresh(AddressFamily::Inet, SockType::Datagram)?;
    // SAFETY: as many messages as said, pointing to locals.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
    Ok(json!({ "sent": Errno::result(sent)? }))
}

pub(super) fn target(address: &str, port: &str) -> Result<SocketAddr, Errno> {
    Ok(SocketAddr::new(read::<IpAddr>(address)?, read(port)?))
}

pub(super) fn fresh(family: AddressFamily, kind: SockType) -> Result<OwnedFd, Errno> {
    socket(family, kind, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)
}

pub(super) fn for_target(to: SocketAddr, kind: SockType) -> Result<OwnedFd, Errno> {
    fresh(if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }, kind)
}

/// `struct sockaddr_in` that claims to be of `family`.
pub(super) fn short(family: c_int, to: SocketAddrV4) -> libc::sockaddr_in {
    let mut name: libc::sockaddr_in = *SockaddrIn::from(to).as_ref();
    name.sin_family = u16::try_from(family).unwrap_or(0);
    name
}

pub(super) fn set(fd: RawFd, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    // SAFETY: an integer and its size.
    let set = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), 4) };
    Errno::result(set).map(drop)
}

fn only_v4(to: SocketAddr) -> Result<SocketAddrV4, Errno> {
    let SocketAddr::V4(to) = to else { return Err(Errno::EAFNOSUPPORT) };
    Ok(to)
}

fn by_short_address(socket: AddressFamily, claim: c_int, to: SocketAddr) -> Result<(), Errno> {
    let (socket, name) = (fresh(socket, SockType::Datagram)?, short(claim, only_v4(to)?));
    // SAFETY: a buffer and an address of the lengths given.
    let sent = unsafe {
        let data = [7_u8; 32];
        let name = (&raw const name).cast();
        libc::sendto(socket.as_raw_fd(), data.as_ptr().cast(), 32, 0, name, 16)
    };
    Errno::result(sent).map(drop)
}

fn v4_connect_on_v6(to: SocketAddr) -> Result<(), Errno> {
    let socket = fresh(AddressFamily::Inet6, SockType::Datagram)?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(only_v4(to)?))?;
    send(socket.as_raw_fd(), &[7; 32], MsgFlags::empty()).map(drop)
}

fn datagram(to: SocketAddr, data: &[u8]) -> Result<(), Errno> {
    let socket = for_target(to, SockType::Datagram)?;
    sendto(socket.as_raw_fd(), data, &SockaddrStorage::from(to), MsgFlags::empty()).map(drop)
}

/// Data in the SYN, without a `connect(2)`.
fn fastopen(to: SocketAddr) -> Result<(), Errno> {
    let socket = for_target(to, SockType::Stream)?;
    let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    sendto(socket.as_raw_fd(), &[7; 32], &SockaddrStorage::from(to), flags).map(drop)
}

/// The same by an option: `connect(2)` sends nothing yet.
fn fastopen_connect(to: SocketAddr) -> Result<(), Errno> {
    let socket = for_target(to, SockType::Stream)?;
    set(socket.as_raw_fd(), libc::SOL_TCP, FASTOPEN_CONNECT, 1)?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    send(socket.as_raw_fd(), &[7; 32], MsgFlags::empty()).map(drop)
}

/// From a port chosen before.
fn bound(to: SocketAddr) -> Result<(), Errno> {
    let socket = for_target(to, SockType::Stream)?;
    let own: SocketAddr = match to {
        SocketAddr::V4(_) => SocketAddrV4::new([0; 4].into(), 0).into(),
        SocketAddr::V6(_) => SocketAddrV6::new([0; 16].into(), 0, 0, 0).into(),
    };
    bind(socket.as_raw_fd(), &SockaddrStorage::from(own))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    send(socket.as_raw_fd(), &[7; 32], MsgFlags::empty()).map(drop)
}

/// Without waiting in `connect(2)`, but after it.
fn waiting(to: SocketAddr) -> Result<(), Errno> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Err(Errno::EINPROGRESS) => {}
        other => other?,
    }
    let patience = PollTimeout::try_from(PATIENCE).map_err(|_| Errno::EINVAL)?;
    let mut ready = [PollFd::new(std::os::fd::AsFd::as_fd(&socket), PollFlags::POLLOUT)];
    let _count = poll(&mut ready, patience)?;
    Errno::result(if getsockopt(&socket, sockopt::SocketError)? == 0 { 0 } else { -1 })?;
    send(socket.as_raw_fd(), &[7; 32], MsgFlags::empty()).map(drop)
}

/// One call, five datagrams.
fn segments(to: SocketAddr) -> Result<(), Errno> {
    let socket = for_target(to, SockType::Datagram)?;
    set(socket.as_raw_fd(), libc::SOL_UDP, SEGMENT, 100)?;
    sendto(socket.as_raw_fd(), &[7; 500], &SockaddrStorage::from(to), MsgFlags::empty()).map(drop)
}

/// A datagram begun to the allowed address and ended to another: the kernel
/// keeps the first, which was judged.
fn more(to: SocketAddr) -> Result<(), Errno> {
    let begun = target(ALLOWED_V4, &to.port().to_string())?;
    let socket = for_target(begun, SockType::Datagram)?;
    let (fd, begun) = (socket.as_raw_fd(), SockaddrStorage::from(begun));
    let _begun = sendto(fd, &[7; 16], &begun, MsgFlags::from_bits_retain(libc::MSG_MORE))?;
    sendto(fd, &[7; 16], &SockaddrStorage::from(to), MsgFlags::empty()).map(drop)
}

/// A datagram that names somebody else as its sender: whoever gets it answers
/// there. `IP_FREEBIND` and `IPV6_FREEBIND` need no privilege.
pub(super) fn in_the_name_of(source: &str, address: &str, port: &str) -> Done {
    let (source, to) = (target(source, "0")?, target(address, port)?);
    let socket = for_target(to, SockType::Datagram)?;
    let fd = socket.as_raw_fd();
    match to {
        SocketAddr::V4(_) => set(fd, libc::IPPROTO_IP, 15, 1)?,
        SocketAddr::V6(_) => set(fd, libc::IPPROTO_IPV6, 78, 1)?,
    }
    bind(fd, &SockaddrStorage::from(source))?;
    let bytes = sendto(fd, b"answer them", &SockaddrStorage::from(to), MsgFlags::empty())?;
    Ok(json!({ "bytes": bytes }))
}
