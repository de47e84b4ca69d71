//! Two network namespaces with a wire between them, for one thing that is
//! measured. Neighbours are written in, so that nothing is ever asked for.

use anyhow::Result;
use enforcer_tests::netns::Netns;

use crate::programs::Sink;

/// Both ends of the wire.
pub const DEVICE: &str = "wire";
/// The sender's addresses.
pub const NEAR_V4: &str = "10.78.0.1";
/// The sender's address over IPv6.
pub const NEAR_V6: &str = "fd78::1";
/// The peer's addresses.
pub const PEER_V4: &str = "10.78.0.2";
/// The peer's address over IPv6.
pub const PEER_V6: &str = "fd78::2";
const NEAR_MAC: &str = "02:00:00:00:00:01";
const PEER_MAC: &str = "02:00:00:00:00:02";

/// A wire.
#[derive(Debug)]
pub struct Wire {
    /// Where the sender is.
    pub near: Netns,
    /// Where what it sends ends.
    pub far: Netns,
    _sink: Sink,
}

// === impl Wire ===

impl Wire {
    /// Makes one. Everything unknown is routed to the peer.
    ///
    /// # Errors
    /// The sink cannot be attached.
    pub fn new() -> Result<Self> {
        let (near, far) = (Netns::new(), Netns::new());
        near.ip("link set lo up");
        far.ip("link set lo up");
        near.ip(&format!("link add {DEVICE} type veth peer name {DEVICE} netns {}", far.path()));
        end(&near, [NEAR_V4, NEAR_V6], NEAR_MAC);
        end(&far, [PEER_V4, PEER_V6], PEER_MAC);
        know(&near, [PEER_V4, PEER_V6], PEER_MAC);
        know(&far, [NEAR_V4, NEAR_V6], NEAR_MAC);
        near.ip(&format!("route add default via {PEER_V4}"));
        near.ip(&format!("-6 route add default via {PEER_V6}"));
        let sink = Sink::attach(&far)?;
        Ok(Self { near, far, _sink: sink })
    }
}

fn end(netns: &Netns, [v4, v6]: [&str; 2], mac: &str) {
    netns.ip(&format!("link set {DEVICE} address {mac} up"));
    netns.ip(&format!("addr add {v4}/24 dev {DEVICE}"));
    netns.ip(&format!("addr add {v6}/64 dev {DEVICE} nodad"));
}

fn know(netns: &Netns, others: [&str; 2], mac: &str) {
    for other in others {
        netns.ip(&format!("neigh replace {other} lladdr {mac} dev {DEVICE} nud permanent"));
    }
}
