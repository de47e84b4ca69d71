//! One socket of TCP or UDP.

use std::fmt;
use std::net::SocketAddr;

use enforcer_common::{Address, Flow, Protocol};
use netlink_packet_core::Nla as _;
use netlink_packet_sock_diag::constants::{TCP_ESTABLISHED, TCP_LISTEN};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{InetResponse, InetResponseHeader, SocketId};

/// `INET_DIAG_CGROUP_ID` of `include/uapi/linux/inet_diag.h`, Linux 5.9.
const CGROUP_ID: u16 = 21;

/// A socket as it was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end; `None` where it is not connected.
    pub remote: Option<SocketAddr>,
    /// Its state.
    pub state: State,
    /// The cgroup that it was made in; 0 where the kernel does not say.
    pub cgroup_id: u64,
    /// Inode number, as in `/proc/PID/fd`; 0 while no process has it.
    pub inode: u32,
    /// Address family and identity for the kernel.
    pub(super) family: u8,
    pub(super) id: SocketId,
}

/// A TCP state; UDP has two of them (kernel: `include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub u8);

// === impl Socket ===

impl Socket {
    /// Reads one answer of the kernel's.
    pub(super) fn of(protocol: Protocol, response: InetResponse) -> Self {
        let cgroup_id = response.nlas.iter().find_map(cgroup_id).unwrap_or(0);
        let InetResponseHeader { family, state, socket_id: id, inode, .. } = response.header;
        let remote = SocketAddr::new(id.destination_address, id.destination_port);
        Self {
            protocol,
            local: SocketAddr::new(id.source_address, id.source_port),
            remote: Some(remote).filter(|to| to.port() != 0),
            state: State(state),
            cgroup_id,
            inode,
            family,
            id,
        }
    }

    /// `tcp` or `udp`.
    pub fn word(&self) -> &'static str {
        if self.protocol == Protocol::TCP { "tcp" } else { "udp" }
    }

    /// What a policy would judge; `None` where it is not connected.
    pub fn flow(&self) -> Option<Flow> {
        let remote = self.remote?;
        Some(Flow::of_call(Address::from(remote.ip()), remote.port(), self.protocol))
    }
}

/// As `tcp 10.0.0.1:40000 > 10.0.0.2:443 established`.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proto = self.word();
        match self.remote {
            Some(remote) => write!(f, "{proto} {} > {remote} {}", self.local, self.state),
            None => write!(f, "{proto} {} {}", self.local, self.state),
        }
    }
}

fn cgroup_id(attribute: &Nla) -> Option<u64> {
    let mut value = [0; 8];
    let fits = attribute.kind() == CGROUP_ID && attribute.value_len() == value.len();
    fits.then(|| attribute.emit_value(&mut value))?;
    Some(u64::from_ne_bytes(value))
}

// === impl State ===

impl State {
    /// Whether it waits for clients.
    pub fn is_listening(self) -> bool {
        self.0 == TCP_LISTEN
    }

    /// Whether it is connected, both ways.
    pub fn is_established(self) -> bool {
        self.0 == TCP_ESTABLISHED
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 12] = [
            "unknown",
            "established",
            "syn-sent",
            "syn-recv",
            "fin-wait-1",
            "fin-wait-2",
            "time-wait",
            "unconnected",
            "close-wait",
            "last-ack",
            "listening",
            "closing",
        ];
        f.write_str(WORDS.get(usize::from(self.0)).unwrap_or(&WORDS[0]))
    }
}
