//! What the bench says to a sender and what it hears back, one line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::prefixes::Lengths;

/// Where a sender lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Home {
    /// The namespace that it sends from; it starts in the peer's.
    pub near: String,
    /// The cgroups that it is in while it makes a socket: one for each agent that
    /// it speaks for.
    pub cgroups: Vec<PathBuf>,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What to send.
    pub traffic: Traffic,
    /// For how long, in milliseconds.
    pub ms: u64,
}

/// Kinds of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// Small datagrams of a connected socket.
    Connected,
    /// The same over IPv6.
    ConnectedV6,
    /// Small datagrams of an unconnected socket to one destination.
    Unconnected,
    /// The same to random addresses in these prefixes.
    Random(u32, Lengths),
    /// The same over IPv6.
    RandomV6(u32, Lengths),
    /// Datagrams to where nobody may send.
    Denied,
    /// Small datagrams of a connected socket, more than a cap lets through.
    Capped,
    /// TCP connections, made and given up.
    Connects,
    /// Bytes over one TCP connection.
    Bulk,
    /// A datagram of each of so many agents' connected sockets, in random order.
    Turns(u32),
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Packets, connections or bytes.
    pub done: u64,
    /// Calls that the kernel refused.
    pub failed: u64,
    /// Time of the sending thread on its processor, in nanoseconds.
    pub cpu_ns: u64,
    /// Time that passed, in nanoseconds.
    pub wall_ns: u64,
}

// === impl Traffic, Sent ===

impl Traffic {
    /// Its name in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Connected => "UDP, connected",
            Self::ConnectedV6 => "UDP/IPv6, connected",
            Self::Unconnected => "UDP, unconnected",
            Self::Random(..) => "UDP, random allowed destinations",
            Self::RandomV6(..) => "UDP/IPv6, random allowed destinations",
            Self::Denied => "UDP, denied",
            Self::Capped => "UDP, more than the cap",
            Self::Connects => "TCP connects",
            Self::Bulk => "TCP bulk",
            Self::Turns(_) => "UDP, agents in random order",
        }
    }

    /// Whether being refused is what the traffic is about.
    pub const fn expects_refusal(self) -> bool {
        matches!(self, Self::Denied | Self::Capped)
    }
}

impl Sent {
    /// What was done in a second of the processor; with refusals, what was tried.
    pub fn rate(&self, traffic: Traffic) -> f64 {
        let tried = if traffic.expects_refusal() { self.failed } else { 0 };
        (self.done + tried) as f64 * 1e9 / self.cpu_ns as f64
    }

    /// What was done in a second that passed.
    pub fn each_second(&self) -> f64 {
        self.done as f64 * 1e9 / self.wall_ns as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_datagram_counts_where_refusals_are_meant() {
        let second = 1_000_000_000;
        let sent = Sent { done: 10, failed: 30, cpu_ns: second, wall_ns: 2 * second };
        assert_eq!(sent.each_second(), 5.0);
        assert_eq!(sent.rate(Traffic::Connected), 10.0);
        assert_eq!(sent.rate(Traffic::Denied), 40.0);
    }

    #[test]
    fn an_order_survives_the_way_to_the_sender() {
        let order = Order { traffic: Traffic::Random(1_000, Lengths::Three), ms: 8 };
        let line = serde_json::to_string(&order).expect("serializes");
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Order>(&line).expect("parses"), order);
    }
}
