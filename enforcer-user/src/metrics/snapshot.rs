//! The state of the moment, as read for one scrape.

use enforcer_common::Reason;

use crate::audit::SinkView;

/// Agent label of flows from cgroups that no policy names.
pub const UNASSIGNED: &str = "unassigned";

/// Everything a scrape shows that is not counted by [`super::Metrics`] itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The kernel's counters, summed over CPUs.
    pub counters: Vec<CounterRow>,
    /// Quarantined or not, for every agent.
    pub quarantined: Vec<(String, bool)>,
    /// Self-check passed or not, for every agent.
    pub verified: Vec<(String, bool)>,
    /// Sizes of the kernel's tables.
    pub maps: Vec<MapRow>,
    /// The inventory's credentials.
    pub credentials: Vec<CredentialRow>,
    /// Policy generation in force.
    pub generation: u32,
    /// Events published so far, by kind.
    pub events: Vec<(&'static str, u64)>,
    /// Events lost so far, by cause.
    pub lost: Vec<(&'static str, u64)>,
    /// How far those are who pass the audit trail on.
    pub sinks: Vec<SinkView>,
    /// Revocations not yet confirmed.
    pub revocations_pending: u64,
}

/// One agent's counter for one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterRow {
    /// The agent, or [`UNASSIGNED`].
    pub agent: String,
    /// Why the kernel decided so.
    pub reason: Reason,
    /// Audit mode: passed, and would have been denied.
    pub audited: bool,
    /// Packets, and datagrams refused before they became one.
    pub packets: u64,
    /// Bytes at layer 3.
    pub bytes: u64,
    /// `connect(2)` calls.
    pub connections: u64,
    /// Sockets refused as they were made.
    pub sockets: u64,
}

/// How full a kernel table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// Its name.
    pub map: &'static str,
    /// Entries in use.
    pub entries: u64,
    /// Entries it holds at most.
    pub capacity: u64,
}

/// Times of one credential, in seconds; `None` where unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CredentialRow {
    /// Its id.
    pub credential: String,
    /// Since it was issued.
    pub age_seconds: Option<f64>,
    /// Unix time of the last traffic that uses it.
    pub last_activity: Option<f64>,
    /// Unix time of its end.
    pub expiry: Option<f64>,
}

// === impl CounterRow ===

impl CounterRow {
    /// The word for what became of the flow: an audited one is no denial.
    pub fn verdict(&self) -> &'static str {
        if self.audited { "would-deny" } else { self.reason.verdict().as_str() }
    }

    /// Packets, calls and sockets together.
    pub fn refusals(&self) -> u64 {
        self.packets.saturating_add(self.connections).saturating_add(self.sockets)
    }
}
