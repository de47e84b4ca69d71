//! Messages whose ancillary data asks for other headers or another way: no
//! `setsockopt(2)` announces that.

use std::ffi::c_int;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{SockType, SockaddrLike, SockaddrStorage};
use serde_json::json;

use super::aim::{for_target, set, target};
use super::{Done, read};

/// Options of `include/uapi/linux/in.h` and `in6.h`.
const RETOPTS: c_int = 7;
const RTHDR: c_int = 57;
const DSTOPTS: c_int = 59;
const OLD_DSTOPTS: c_int = 4;
const FLOWLABEL_MGR: c_int = 32;
const FLOWINFO_SEND: c_int = 33;
/// `struct in6_flowlabel_req` without its options.
const FLOWLABEL_REQUEST: usize = 32;

/// Sends a datagram to a destination with one such demand; `by` is the stop on
/// the way, where there is one.
pub(super) fn send(what: &str, address: &str, port: &str, by: &str) -> Done {
    let to = target(address, port)?;
    let socket = for_target(to, SockType::Datagram)?;
    let fd = socket.as_raw_fd();
    match what {
        "source-route" => message(fd, to, libc::IPPROTO_IP, RETOPTS, &source_route(read(by)?)),
        "no-operation" => message(fd, to, libc::IPPROTO_IP, RETOPTS, &[1, 1, 1, 0]),
        "routing-2" => message(fd, to, libc::IPPROTO_IPV6, RTHDR, &routing(2, read(by)?)),
        "routing-4" => message(fd, to, libc::IPPROTO_IPV6, RTHDR, &routing(4, read(by)?)),
        "destination" => message(fd, to, libc::IPPROTO_IPV6, DSTOPTS, &padding()),
        "old-destination" => message(fd, to, libc::IPPROTO_IPV6, OLD_DSTOPTS, &padding()),
        "mark" => message(fd, to, libc::SOL_SOCKET, libc::SO_MARK, &7_u32.to_ne_bytes()),
        "flow-label" => by_flow_label(fd, to, &routing(2, read(by)?)),
        "direct" => direct(fd, to),
        _ => Err(Errno::ENOSYS),
    }?;
    Ok(json!({}))
}

/// Loose source route by one stop (RFC 791, section 3.1), padded to words.
fn source_route(by: Ipv4Addr) -> Vec<u8> {
    [&[131, 7, 4][..], &by.octets(), &[0]].concat()
}

/// A routing header with one address (RFC 6275, section 6.4; RFC 8754).
fn routing(kind: u8, by: Ipv6Addr) -> Vec<u8> {
    let left = u8::from(kind == 2);
    [&[0, 2, kind, left, 0, 0, 0, 0][..], &by.octets()].concat()
}

/// A destination options header that says nothing (RFC 8200, section 4.2).
fn padding() -> Vec<u8> {
    vec![0, 0, 1, 4, 0, 0, 0, 0]
}

/// `struct cmsghdr` and its data, padded.
fn control(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
    let length = 16 + data.len();
    let mut control = length.to_ne_bytes().to_vec();
    control.extend(level.to_ne_bytes());
    control.extend(kind.to_ne_bytes());
    control.extend(data);
    control.resize(length.next_multiple_of(8), 0);
    control
}

fn message(fd: RawFd, to: SocketAddr, level: c_int, kind: c_int, data: &[u8]) -> Result<(), Errno> {
    let (name, mut control) = (SockaddrStorage::from(to), control(level, kind, data));
    let mut text = *b"crafted";
    let mut part = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: text.len() };
    // SAFETY: all zero is an empty message; it points to locals of the lengths
    // given.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_namelen = name.len();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len();
        libc::sendmsg(fd, &raw const message, 0)
    };
    Errno::result(sent).map(drop)
}

/// Headers that come with a flow label: the label is asked for with them, and
/// the datagram only names the label.
fn by_flow_label(fd: RawFd, to: SocketAddr, routing: &[u8]) -> Result<(), Errno> {
    let SocketAddr::V6(mut to) = to else { return Err(Errno::EAFNOSUPPORT) };
    // Destination, label, get, exclusive to this socket, made if need be.
    let mut request = to.ip().octets().to_vec();
    request.extend(0xbeef_u32.to_be_bytes());
    request.extend([0, 1, 1, 0]);
    request.resize(FLOWLABEL_REQUEST, 0);
    request.extend(control(libc::IPPROTO_IPV6, RTHDR, routing));
    let length = u32::try_from(request.len()).map_err(|_| Errno::EINVAL)?;
    let value = request.as_ptr().cast();
    // SAFETY: a buffer of the length given.
    let made = unsafe { libc::setsockopt(fd, libc::IPPROTO_IPV6, FLOWLABEL_MGR, value, length) };
    Errno::result(made)?;
    set(fd, libc::IPPROTO_IPV6, FLOWINFO_SEND, 1)?;
    to.set_flowinfo(0xbeef_u32.to_be());
    direct_with(fd, to.into(), 0)
}

/// Past the routing table: the destination is taken to be on the link.
fn direct(fd: RawFd, to: SocketAddr) -> Result<(), Errno> {
    direct_with(fd, to, libc::MSG_DONTROUTE)
}

fn direct_with(fd: RawFd, to: SocketAddr, flags: c_int) -> Result<(), Errno> {
    let name = SockaddrStorage::from(to);
    let text = b"crafted";
    // SAFETY: a buffer and an address of the lengths given.
    let sent = unsafe {
        libc::sendto(fd, text.as_ptr().cast(), text.len(), flags, name.as_ptr(), name.len())
    };
    Errno::result(sent).map(drop)
}
