//! What is judged: one destination as a packet or a socket call names it.

use crate::address::Address;

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Any protocol, in a rule. Zero is IPv6 hop-by-hop on the wire and never
    /// the protocol of a parsed flow.
    pub const ANY: Self = Self(0);
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);

    /// Whether the protocol has ports in its first four bytes that rules name.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP)
    }
}

/// One flow to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where the packet goes.
    pub destination: Address,
    /// Destination port in host order; 0 for protocols without ports.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
    /// Packets as the wire will see them (GSO segments); 1 for socket calls.
    pub packets: u32,
    /// Bytes at layer 3; 0 for socket calls.
    pub bytes: u32,
    /// Index of the interface that the packet leaves by; 0 for socket calls.
    pub interface: u32,
}

/// Destination of the self-check over IPv4: loopback, so that nothing leaves
/// the host even when enforcement is not there.
pub const CANARY_V4: Address = Address::v4([127, 83, 69, 67]);
/// Destination of the self-check over IPv6: the discard-only prefix (RFC 6666).
pub const CANARY_V6: Address = Address([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53, 0x45, 0x43]);
/// Canary port that the socket hooks refuse.
pub const CANARY_PORT_SOCKET: u16 = 1;
/// Canary port that the socket hooks let through, so that the packet hook is
/// the one to refuse it.
pub const CANARY_PORT_PACKET: u16 = 2;

// === impl Flow ===

impl Flow {
    /// Stands for the flow of a packet that could not be read, and of a socket
    /// that has no destination yet. No flow that was read has protocol 0.
    pub const UNREADABLE: Self = Self {
        destination: Address([0; 16]),
        port: 0,
        protocol: Protocol::ANY,
        packets: 1,
        bytes: 0,
        interface: 0,
    };

    /// A flow as a socket call names it.
    #[inline(always)]
    pub fn of_call(destination: Address, port: u16, protocol: Protocol) -> Self {
        let destination = destination.as_destination();
        Self { destination, port, protocol, ..Self::UNREADABLE }
    }

    /// Whether this goes to the self-check's own destination.
    #[inline(always)]
    pub fn is_canary(&self) -> bool {
        self.destination.is(&CANARY_V4) | self.destination.is(&CANARY_V6)
    }
}
