//! Counters summed over the CPUs.

use aya::maps::PerCpuValues;
use aya::util::nr_cpus;
use enforcer_common::{Counter, OUTCOMES, Reason, RecordStats};

use super::error::KernelError;
use super::maps::Maps;
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

/// A slot's counters by outcome, zero ones left out.
pub(crate) fn of_slot(maps: &Maps, slot: u32) -> Result<Vec<(Reason, bool, Counter)>, KernelError> {
    let mut found = Vec::new();
    for audited in [false, true] {
        for &reason in Reason::ALL {
            let index = slot * OUTCOMES + enforcer_common::outcome(reason, audited);
            let values = maps.counters.get(&index, 0).map_err(KernelError::map("COUNTERS"))?;
            let sum = values.iter().fold(Counter::default(), add);
            if sum != Counter::default() {
                found.push((reason, audited, sum));
            }
        }
    }
    Ok(found)
}

fn add(a: Counter, b: &Counter) -> Counter {
    Counter {
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
        connections: a.connections + b.connections,
        sockets: a.sockets + b.sockets,
    }
}

/// What became of a slot's records.
pub(crate) fn records_of_slot(maps: &Maps, slot: u32) -> Result<RecordStats, KernelError> {
    let values = maps.record_stats.get(&slot, 0).map_err(KernelError::map("RECORD_STATS"))?;
    Ok(values.iter().fold(RecordStats::default(), |a, b| RecordStats {
        sent: a.sent + b.sent,
        suppressed: a.suppressed + b.suppressed,
        lost: a.lost + b.lost,
    }))
}

/// Sets a slot's counters to zero, for its next owner.
pub(crate) fn clear(maps: &mut Maps, slot: u32) -> Result<(), KernelError> {
    let cpus = nr_cpus().map_err(|(_, e)| KernelError::io("count", "CPUs".as_ref())(e))?;
    for outcome in 0..OUTCOMES {
        let zero = PerCpuValues::try_from(vec![Counter::default(); cpus])
            .map_err(KernelError::io("count", "CPUs".as_ref()))?;
        let index = slot * OUTCOMES + outcome;
        maps.counters.set(index, zero, 0).map_err(KernelError::map("COUNTERS"))?;
    }
    let zero = PerCpuValues::try_from(vec![RecordStats::default(); cpus])
        .map_err(KernelError::io("count", "CPUs".as_ref()))?;
    maps.record_stats.set(slot, zero, 0).map_err(KernelError::map("RECORD_STATS"))
}
