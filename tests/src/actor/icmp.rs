//! Ping sockets (`SOCK_DGRAM` ICMP, no privilege needed) and raw sockets.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, recv,
    send, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use serde_json::json;

use super::{Done, read};

/// Echo request, RFC 792 and RFC 4443; the kernel fills in the checksum.
const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;

/// Sends one echo request and waits a second for the answer, from a socket
/// that is `connected` or `unconnected`.
pub(super) fn ping(how: &str, address: &str) -> Done {
    let ip = read::<IpAddr>(address)?;
    let (family, protocol, kind) = match ip {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, ECHO_V4),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, ECHO_V6),
    };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(1, 0))?;
    let to = SockaddrStorage::from(SocketAddr::new(ip, 0));
    let request = [kind, 0, 0, 0, 0, 1, 0, 1, 0x65, 0x6e, 0x66, 0x6f];
    if how == "connected" {
        connect(socket.as_raw_fd(), &to)?;
        let _sent = send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    } else {
        let _sent = sendto(socket.as_raw_fd(), &request, &to, MsgFlags::empty())?;
    }
    let _answer = recv(socket.as_raw_fd(), &mut [0; 64], MsgFlags::empty())?;
    Ok(json!({}))
}

/// Tries to make a raw socket.
pub(super) fn raw() -> Done {
    let _made =
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
    Ok(json!({}))
}
