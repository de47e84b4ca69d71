//! What a socket is.

use std::fmt;

use enforcer_common::Protocol;

/// Family, type and protocol, as `socket(2)` was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `AF_*`.
    pub family: i32,
    /// `SOCK_*`, without flags.
    pub kind: i32,
    /// `IPPROTO_*`, or what the family makes of it.
    pub protocol: i32,
}

// === impl Kind ===

impl Kind {
    /// TCP or UDP, over IPv4 or IPv6.
    pub fn transport(self) -> Option<Protocol> {
        let inet = matches!(self.family, libc::AF_INET | libc::AF_INET6);
        match (self.kind, self.protocol) {
            (libc::SOCK_STREAM, libc::IPPROTO_TCP) if inet => Some(Protocol::TCP),
            (libc::SOCK_DGRAM, libc::IPPROTO_UDP) if inet => Some(Protocol::UDP),
            _ => None,
        }
    }
}

/// As `tcp`, `unix stream`, `packet`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            libc::SOCK_STREAM => "stream",
            libc::SOCK_DGRAM => "datagram",
            libc::SOCK_SEQPACKET => "seqpacket",
            libc::SOCK_RAW => "raw",
            _ => "other",
        };
        match (self.family, self.transport()) {
            (_, Some(Protocol::TCP)) => f.write_str("tcp"),
            (_, Some(_)) => f.write_str("udp"),
            (libc::AF_INET | libc::AF_INET6, None) => write!(f, "ip {kind} {}", self.protocol),
            (libc::AF_UNIX, None) => write!(f, "unix {kind}"),
            (libc::AF_NETLINK, None) => write!(f, "netlink {}", self.protocol),
            (libc::AF_PACKET, None) => write!(f, "packet {kind}"),
            (libc::AF_VSOCK, None) => write!(f, "vsock {kind}"),
            (family, None) => write!(f, "family {family} {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_words() {
        let words = |family, kind, protocol| Kind { family, kind, protocol }.to_string();
        assert_eq!(words(libc::AF_INET6, libc::SOCK_STREAM, 6), "tcp");
        assert_eq!(words(libc::AF_INET, libc::SOCK_DGRAM, 17), "udp");
        assert_eq!(words(libc::AF_INET, libc::SOCK_DGRAM, 1), "ip datagram 1");
        assert_eq!(words(libc::AF_INET, libc::SOCK_STREAM, 262), "ip stream 262");
        assert_eq!(words(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0), "unix seqpacket");
        assert_eq!(words(libc::AF_PACKET, libc::SOCK_RAW, 0), "packet raw");
        assert_eq!(words(libc::AF_ALG, libc::SOCK_SEQPACKET, 0), "family 38 seqpacket");
    }
}
