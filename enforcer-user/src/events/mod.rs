//! Records decoded: what happened, in the words users see.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

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
    /// Events of this agent suppressed since its last one.
    #[serde(default)]
    pub suppressed: u32,
    /// What else there is to say, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `CLOCK_MONOTONIC` of the kernel's decision; not shown.
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
