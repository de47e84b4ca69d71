//! A policy as meant.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use caps::Capability;
use ipnet::IpNet;

use crate::policy::{AgentName, CredentialId, Response};

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: u32,
}

/// One agent's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The agent it is for.
    pub agent: AgentName,
    /// Enforce, or judge and report.
    pub mode: Mode,
    /// Cgroups of the agent, relative to the cgroup2 mount; globs allowed.
    pub cgroups: Vec<String>,
    /// Allow and deny rules in file order; the index is the rule's id.
    pub rules: Vec<Rule>,
    /// Caps.
    pub limits: Limits,
    /// `[[respond]]` rules in file order.
    pub responses: Vec<Response>,
    /// What its processes may do beyond sending to addresses.
    pub process: ProcessGrants,
    /// Where the policy stands.
    pub location: Location,
}

/// What becomes of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Deny.
    Enforce,
    /// Report, never drop.
    Audit,
}

/// One `[[allow]]` or `[[deny]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Allow or deny.
    pub allow: bool,
    /// Destinations; never empty.
    pub to: Vec<IpNet>,
    /// Protocols and ports; never empty.
    pub ports: Vec<Ports>,
    /// The credential this traffic uses.
    pub credential: Option<CredentialId>,
    /// Where it is written.
    pub location: Location,
}

/// A protocol and a range of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The protocol.
    pub protocol: Transport,
    /// Lowest port; 0 for protocols without ports.
    pub low: u16,
    /// Highest port, included; 65535 for protocols without ports.
    pub high: u16,
}

/// Protocols a policy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Every protocol.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP over IPv4 and IPv6.
    Icmp,
}

/// Caps of an agent; `None` is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Packets on the wire.
    pub packets: Option<Rate>,
    /// Bytes at layer 3.
    pub bytes: Option<Rate>,
    /// New TCP connections.
    pub connections: Option<Rate>,
    /// Records sent to the daemon (`events = { rate = …, burst = … }`).
    pub events: Option<Rate>,
}

/// `units` per `period`, `burst` at once; a whole burst refills within 2^43 ns
/// (about two hours), which is what the kernel's arithmetic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub units: u64,
    /// One second, minute, hour or day.
    pub period: Duration,
    /// At least 1; default a quarter of a second's worth, at least 1 unit
    /// (bytes: at least 256 KiB, so that one GSO packet fits).
    pub burst: u64,
}

/// `[process]`; by default nothing is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessGrants {
    /// Kept by `enforcer exec`; never one that undoes enforcement.
    pub capabilities: Vec<Capability>,
    /// Unix sockets outside that it may connect and send to.
    pub unix: Vec<UnixName>,
    /// Interfaces that its packets may leave by; empty is any.
    pub interfaces: Vec<String>,
}

/// Name of a Unix socket, at most 107 bytes (`unix(7)`, `sun_path`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// This absolute path, without `.`, `..` and empty components.
    Path(String),
    /// Every path below this one, which ends in `/`.
    Under(String),
    /// The abstract name after its leading NUL byte; never empty.
    Abstract(String),
}

// === impl Policy ===

impl Policy {
    /// The `[[respond]]` rule that the kernel carries out by itself: the first
    /// one that counts denials and quarantines.
    pub fn tripwire(&self) -> Option<&Response> {
        self.responses.iter().find(|response| response.fits_the_kernel())
    }
}

// === impl Mode ===

impl Mode {
    /// The word it is written as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

// === impl Transport, Ports ===

impl Transport {
    /// The word it is written as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

impl fmt::Display for Ports {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol.as_str())?;
        match (self.protocol, self.low, self.high) {
            (Transport::Any | Transport::Icmp, ..) => Ok(()),
            (_, 0, u16::MAX) => f.write_str("/any"),
            (_, low, high) if low == high => write!(f, "/{low}"),
            (_, low, high) => write!(f, "/{low}-{high}"),
        }
    }
}

// === impl UnixName, Location ===

impl fmt::Display for UnixName {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) | Self::Under(path) => f.write_str(path),
            Self::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
