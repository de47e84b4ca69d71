//! What the child sends. Every destination is the canary, which never leaves
//! the host (loopback, and RFC 6666's discard-only prefix).

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

use enforcer_common::{Address, CANARY_PORT_PACKET, CANARY_PORT_SOCKET, CANARY_V4, CANARY_V6};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, sendto, socket,
};

use super::report::{Outcome, Shot};

/// One way to reach the canary.
struct Attempt {
    name: &'static str,
    kind: SockType,
    to: Address,
    port: u16,
    /// As `::ffff:a.b.c.d` over an IPv6 socket.
    mapped: bool,
}

/// The socket hooks refuse the first four; they let the last one through, so
/// that the packet hook has to.
const ATTEMPTS: [Attempt; 5] = [
    attempt("tcp over IPv4", SockType::Stream, CANARY_V4, CANARY_PORT_SOCKET, false),
    attempt("tcp to a v4-mapped address", SockType::Stream, CANARY_V4, CANARY_PORT_SOCKET, true),
    attempt("udp over IPv4", SockType::Datagram, CANARY_V4, CANARY_PORT_SOCKET, false),
    attempt("udp over IPv6", SockType::Datagram, CANARY_V6, CANARY_PORT_SOCKET, false),
    attempt(
        "a packet past the socket hooks",
        SockType::Datagram,
        CANARY_V4,
        CANARY_PORT_PACKET,
        false,
    ),
];

const fn attempt(
    name: &'static str,
    kind: SockType,
    to: Address,
    port: u16,
    mapped: bool,
) -> Attempt {
    Attempt { name, kind, to, port, mapped }
}

/// Tries every way once, from the cgroup the process is in.
pub(super) fn fire() -> Vec<Shot> {
    ATTEMPTS.iter().map(|a| Shot { name: a.name.to_owned(), outcome: a.outcome() }).collect()
}

// === impl Attempt ===

impl Attempt {
    fn outcome(&self) -> Outcome {
        match self.send() {
            Err(Errno::EPERM) => Outcome::Refused,
            Err(Errno::EAFNOSUPPORT) => Outcome::Absent,
            Ok(()) | Err(Errno::EINPROGRESS | Errno::ECONNREFUSED) => Outcome::Passed,
            Err(other) => Outcome::Unclear(other.desc().to_owned()),
        }
    }

    fn send(&self) -> nix::Result<()> {
        let to = self.socket_address();
        let family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        // The socket belongs to the cgroup it is made in: a fresh one each time.
        let socket =
            socket(family, self.kind, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
        let to = SockaddrStorage::from(to);
        if self.kind == SockType::Stream {
            return connect(socket.as_raw_fd(), &to);
        }
        sendto(socket.as_raw_fd(), b"canary", &to, MsgFlags::empty()).map(|_| ())
    }

    fn socket_address(&self) -> SocketAddr {
        if self.mapped {
            let ip = Ipv6Addr::from(self.to.0);
            return SocketAddr::V6(SocketAddrV6::new(ip, self.port, 0, 0));
        }
        SocketAddr::new(IpAddr::from(self.to), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_enforcement_the_shots_are_not_refused() {
        let refused: Vec<_> =
            fire().into_iter().filter(|s| s.outcome == Outcome::Refused).collect();
        assert_eq!(refused, [], "nothing enforces on the tests themselves");
    }

    #[test]
    fn the_mapped_shot_uses_an_ipv6_socket() {
        assert_eq!(ATTEMPTS[1].socket_address().to_string(), "[::ffff:127.83.69.67]:1");
        assert_eq!(ATTEMPTS[0].socket_address().to_string(), "127.83.69.67:1");
    }
}
