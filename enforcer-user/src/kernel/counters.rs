//! Counters summed over the CPUs.

use std::path::Path;

use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use enforcer_common::{Counter, OUTCOMES, Reason, RecordStats, Shortcut};

use super::error::KernelError;
use super::maps::pinned;
use crate::policy::AgentName;

/// One agent's counter for one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCounters {
    /// Whose; `None` for cgroups that no policy names.
    pub agent: Option<AgentName>,
    /// Why.
    pub reason: Reason,
    /// Audit mode: reported, not enforced.
    pub audited: bool,
    /// Packets judged at egress, and datagrams refused before they became one.
    pub packets: u64,
    /// Bytes at layer 3 of packets judged at egress.
    pub bytes: u64,
    /// TCP and UDP `connect(2)` calls judged.
    pub connections: u64,
    /// Sockets refused as they were made.
    pub sockets: u64,
}

/// Handles on the per-CPU maps. Reading takes many system calls, so the daemon
/// has its own, outside the lock of the tables.
pub(crate) struct Counters {
    outcomes: PerCpuArray<MapData, Counter>,
    records: PerCpuArray<MapData, RecordStats>,
    shortcuts: PerCpuArray<MapData, Shortcut>,
}

// === impl Counters ===

impl Counters {
    pub(crate) fn open(dir: &Path) -> Result<Self, KernelError> {
        let (outcomes, _) = pinned::<u32, Counter>(dir, "COUNTERS")?;
        let (records, _) = pinned::<u32, RecordStats>(dir, "RECORD_STATS")?;
        let (shortcuts, _) = pinned::<u32, Shortcut>(dir, "SHORTCUTS")?;
        Ok(Self {
            outcomes: Map::PerCpuArray(outcomes)
                .try_into()
                .map_err(KernelError::map("COUNTERS"))?,
            records: Map::PerCpuArray(records)
                .try_into()
                .map_err(KernelError::map("RECORD_STATS"))?,
            shortcuts: Map::PerCpuArray(shortcuts)
                .try_into()
                .map_err(KernelError::map("SHORTCUTS"))?,
        })
    }

    /// A slot's counters by outcome, zero ones left out.
    pub(crate) fn of_slot(&self, slot: u32) -> Result<Vec<(Reason, bool, Counter)>, KernelError> {
        let mut found = Vec::new();
        for audited in [false, true] {
            for &reason in Reason::ALL {
                let sum = if (reason, audited) == (Reason::Rule, false) {
                    self.allowed_of_slot(slot)?
                } else {
                    self.of_outcome(slot, reason, audited)?
                };
                if sum != Counter::default() {
                    found.push((reason, audited, sum));
                }
            }
        }
        Ok(found)
    }

    /// What rules allowed a slot.
    pub(crate) fn allowed_of_slot(&self, slot: u32) -> Result<Counter, KernelError> {
        Ok(add(self.of_outcome(slot, Reason::Rule, false)?, &self.short_way(slot)?))
    }

    fn of_outcome(&self, slot: u32, why: Reason, audited: bool) -> Result<Counter, KernelError> {
        let index = slot * OUTCOMES + enforcer_common::outcome(why, audited);
        let values = self.outcomes.get(&index, 0).map_err(KernelError::map("COUNTERS"))?;
        Ok(values.iter().fold(Counter::default(), add))
    }

    /// What a rule allowed and no table was asked for.
    fn short_way(&self, slot: u32) -> Result<Counter, KernelError> {
        let values = self.shortcuts.get(&slot, 0).map_err(KernelError::map("SHORTCUTS"))?;
        let passed =
            |s: &Shortcut| Counter { packets: s.packets, bytes: s.bytes, ..Counter::default() };
        Ok(values.iter().map(passed).fold(Counter::default(), |sum, passed| add(sum, &passed)))
    }

    /// What became of a slot's records.
    pub(crate) fn records_of_slot(&self, slot: u32) -> Result<RecordStats, KernelError> {
        let values = self.records.get(&slot, 0).map_err(KernelError::map("RECORD_STATS"))?;
        Ok(values.iter().fold(RecordStats::default(), |a, b| RecordStats {
            sent: a.sent + b.sent,
            suppressed: a.suppressed + b.suppressed,
            lost: a.lost + b.lost,
        }))
    }

    /// Sets a slot's counters to zero, for its next owner.
    pub(crate) fn clear(&mut self, slot: u32) -> Result<(), KernelError> {
        for outcome in 0..OUTCOMES {
            let index = slot * OUTCOMES + outcome;
            let zero = zeros::<Counter>()?;
            self.outcomes.set(index, zero, 0).map_err(KernelError::map("COUNTERS"))?;
        }
        self.shortcuts.set(slot, zeros()?, 0).map_err(KernelError::map("SHORTCUTS"))?;
        self.records.set(slot, zeros()?, 0).map_err(KernelError::map("RECORD_STATS"))
    }
}

fn add(a: Counter, b: &Counter) -> Counter {
    Counter {
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
        connections: a.connections + b.connections,
        sockets: a.sockets + b.sockets,
    }
}

/// A zero for each possible CPU.
fn zeros<T: aya::Pod + Default>() -> Result<PerCpuValues<T>, KernelError> {
    let cpus = nr_cpus().map_err(|(path, error)| KernelError::io("read", path.as_ref())(error))?;
    PerCpuValues::try_from(vec![T::default(); cpus])
        .map_err(KernelError::io("count the CPUs in", "/sys/devices/system/cpu".as_ref()))
}
