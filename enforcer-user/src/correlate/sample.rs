//! What an agent did since the last look at the kernel's counters.

use time::OffsetDateTime;

use crate::policy::Sampled;

/// Increments of one agent's counters; what was allowed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// `CLOCK_MONOTONIC` of the look, nanoseconds.
    pub ktime_ns: u64,
    /// The same, by the wall clock.
    pub time: OffsetDateTime,
    /// Bytes at layer 3.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// `connect(2)` calls.
    pub connections: u64,
}

// === impl Sample ===

impl Sample {
    pub(super) fn of(&self, what: Sampled) -> u64 {
        match what {
            Sampled::Bytes => self.bytes,
            Sampled::Packets => self.packets,
            Sampled::Connections => self.connections,
        }
    }
}
