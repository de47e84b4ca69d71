//! Records decoded: what happened, in the words users see.

mod clock;
mod decode;
mod hub;
mod process;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::kernel::monotonic_ns;

pub use clock::wall_clock;
pub use decode::{DecodeError, Names, decode};
pub use hub::{Delivery, EventHub, HISTORY, Subscription};
pub use process::{comm_of, exe_of};

/// One event, as `enforcer events -o json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, UTC, microseconds.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Number of the event since the daemon started, from 1.
    pub seq: u64,
    /// What happened.
    pub kind: EventKind,
    /// Whose; `None` for an unassigned cgroup and for the host.
    pub agent: Option<String>,
    /// `allow` or `deny`, for flows.
    #[serde(default)]
    pub verdict: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Where in the kernel.
    #[serde(default)]
    pub hook: Option<String>,
    /// `tcp`, `udp`, `icmp`, or the protocol's number.
    #[serde(default)]
    pub proto: Option<String>,
    /// Where the flow went.
    #[serde(default)]
    pub destination: Option<Destination>,
    /// Who asked.
    #[serde(default)]
    pub process: Option<Process>,
    /// The rule that decided, `file:line`.
    #[serde(default)]
    pub rule: Option<String>,
    /// Policy generation in force.
    #[serde(default)]
    pub policy_generation: u32,
    /// Credentials concerned.
    #[serde(default)]
    pub credentials: Vec<String>,
    /// Events of this agent and of the same kind (violations, refusals by a cap,
    /// all others) suppressed since its last one.
    #[serde(default)]
    pub suppressed: u32,
    /// How many open sockets were destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u32>,
    /// What else there is to say, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `CLOCK_MONOTONIC` of the kernel's decision, 0 for the daemon's own; not shown.
    #[serde(skip)]
    pub ktime_ns: u64,
}

/// Kinds of event (INTERFACE: closed vocabulary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A flow was denied.
    Denied,
    /// Audit mode: would have been denied.
    WouldDeny,
    /// A cap refused.
    RateLimited,
    /// A connection was allowed.
    Connected,
    /// An agent was cut off.
    Quarantined,
    /// Open sockets were destroyed: of an agent that is cut off, or such as its
    /// policy no longer allows.
    Disconnected,
    /// Something that ran already was made an agent's.
    Adopted,
    /// An agent was let back.
    Released,
    /// Somebody touched the enforcement.
    Tamper,
    /// A step in a credential's revocation.
    Revocation,
    /// A policy generation was put in force, or refused.
    Policy,
    /// Events were lost: how many, and why.
    Lost,
    /// The daemon started, stopped, alerted.
    Daemon,
}

/// A flow's destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Address; IPv4 where it was v4-mapped.
    pub ip: IpAddr,
    /// Port; 0 where there is none.
    pub port: u16,
    /// Name it was resolved from.
    pub name: Option<String>,
}

/// The process behind a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Thread group id; 0 where unknown.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Its program, where it still runs.
    pub exe: Option<String>,
    /// Its user.
    pub uid: u32,
}

// === impl Event, EventKind ===

impl Event {
    /// An event of the daemon's own, happening now; without a kernel time, so
    /// that no rule counts it. The hub numbers it.
    pub fn now(kind: EventKind, message: impl Into<String>) -> Self {
        let at_now = Self::at(kind, monotonic_ns());
        Self { message: Some(message.into()), ktime_ns: 0, ..at_now }
    }

    /// An empty event at a time of `CLOCK_MONOTONIC`. The hub numbers it.
    pub fn at(kind: EventKind, ktime_ns: u64) -> Self {
        Self {
            time: wall_clock(ktime_ns),
            seq: 0,
            kind,
            agent: None,
            verdict: None,
            reason: None,
            hook: None,
            proto: None,
            destination: None,
            process: None,
            rule: None,
            policy_generation: 0,
            credentials: Vec::new(),
            suppressed: 0,
            sockets: None,
            message: None,
            ktime_ns,
        }
    }

    /// The same event, of this agent.
    #[must_use]
    pub fn of(mut self, agent: impl Into<String>) -> Self {
        self.agent = Some(agent.into());
        self
    }
}

impl EventKind {
    /// Every kind, in the order of the type.
    pub const ALL: [Self; 13] = [
        Self::Denied,
        Self::WouldDeny,
        Self::RateLimited,
        Self::Connected,
        Self::Quarantined,
        Self::Disconnected,
        Self::Adopted,
        Self::Released,
        Self::Tamper,
        Self::Revocation,
        Self::Policy,
        Self::Lost,
        Self::Daemon,
    ];

    /// The word used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::WouldDeny => "would-deny",
            Self::RateLimited => "rate-limited",
            Self::Connected => "connected",
            Self::Quarantined => "quarantined",
            Self::Disconnected => "disconnected",
            Self::Adopted => "adopted",
            Self::Released => "released",
            Self::Tamper => "tamper",
            Self::Revocation => "revocation",
            Self::Policy => "policy",
            Self::Lost => "lost",
            Self::Daemon => "daemon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_serialized_as_its_word() {
        for kind in EventKind::ALL {
            let json = serde_json::to_string(&kind).expect("serializes");
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
        }
    }

    #[test]
    fn an_event_is_printed_with_the_documented_keys() {
        let event = Event::now(EventKind::Daemon, "started").of("a");
        let json = serde_json::to_value(&event).expect("serializes");
        for key in ["time", "seq", "kind", "agent", "verdict", "reason", "hook", "proto"] {
            assert!(json.get(key).is_some(), "{key} is missing");
        }
        for key in
            ["destination", "process", "rule", "policy_generation", "credentials", "suppressed"]
        {
            assert!(json.get(key).is_some(), "{key} is missing");
        }
    }
}
