//! Agents: quarantine, and what the tables say of both.

use std::mem::offset_of;
use std::sync::atomic::Ordering;

use enforcer_common::{AgentState, Counter, RecordStats, SLOT_UNBOUND};

use super::counters::AgentCounters;
use super::error::KernelError;
use super::slots::quarantine_cell;
use super::state::Kernel;
use crate::policy::AgentName;

/// Why and since when an agent is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineState {
    /// The kernel's tripwire set it; else the daemon did.
    pub by_tripwire: bool,
    /// `CLOCK_MONOTONIC` at that moment.
    pub at_ktime_ns: u64,
}

/// How full a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// The map's name.
    pub map: &'static str,
    /// Entries in use.
    pub entries: u64,
    /// Entries there are.
    pub capacity: u64,
}

// === impl Kernel ===

impl Kernel {
    /// Every quarantined agent.
    pub fn quarantines(&self) -> Vec<(AgentName, QuarantineState)> {
        let tables = self.lock();
        let state =
            |slot| tables.maps.states.get(slot).filter(|s| s.quarantine != AgentState::FREE);
        tables
            .slots
            .iter()
            .filter_map(|(name, slot)| {
                let state = state(slot)?;
                let by_tripwire = state.quarantine == AgentState::BY_TRIPWIRE;
                let since = QuarantineState { by_tripwire, at_ktime_ns: state.quarantined_at_ns };
                Some((AgentName::parse(name).ok()?, since))
            })
            .collect()
    }

    /// Cuts an agent off; `false` if it already was.
    ///
    /// # Errors
    /// No such agent.
    pub fn quarantine(&self, agent: &AgentName) -> Result<bool, KernelError> {
        let tables = self.lock();
        let unknown = || KernelError::UnknownAgent(agent.as_str().to_owned());
        let slot = tables.slots.get(agent.as_str()).ok_or_else(unknown)?;
        let cell = quarantine_cell(&tables.maps, slot).ok_or_else(unknown)?;
        let newly = cell
            .compare_exchange(
                AgentState::FREE,
                AgentState::BY_DAEMON,
                Ordering::SeqCst,
                Ordering::SeqCst,
            )
            .is_ok();
        let since = tables.maps.states.cell(slot, offset_of!(AgentState, quarantined_at_ns));
        if let Some(since) = since.filter(|_| newly) {
            since.store(monotonic_ns(), Ordering::SeqCst);
        }
        if newly {
            tables.maps.revoke_shortcuts();
        }
        Ok(newly)
    }

    /// Lets an agent back and forgives its violations so far; `false` if it was
    /// not cut off.
    ///
    /// # Errors
    /// No such agent.
    pub fn release(&self, agent: &AgentName) -> Result<bool, KernelError> {
        let tables = self.lock();
        let unknown = || KernelError::UnknownAgent(agent.as_str().to_owned());
        let slot = tables.slots.get(agent.as_str()).ok_or_else(unknown)?;
        let cell = |offset| tables.maps.states.cell(slot, offset).ok_or_else(unknown);
        let seen = cell(offset_of!(AgentState, violations))?.load(Ordering::SeqCst);
        cell(offset_of!(AgentState, forgiven))?.store(seen, Ordering::SeqCst);
        let quarantine = cell(offset_of!(AgentState, quarantine))?;
        Ok(quarantine.swap(AgentState::FREE, Ordering::SeqCst) != AgentState::FREE)
    }

    /// Violations of each agent since it has its slot.
    pub fn violations(&self) -> Vec<(AgentName, u64)> {
        let tables = self.lock();
        let of = |(name, slot)| {
            Some((AgentName::parse(name).ok()?, tables.maps.states.get(slot)?.violations))
        };
        tables.slots.iter().filter_map(of).collect()
    }

    /// Every counter that is not zero, summed over the CPUs.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counters(&self) -> Result<Vec<AgentCounters>, KernelError> {
        let owners = self.lock().owners();
        let mut found = Vec::new();
        for (agent, slot) in owners {
            found.extend(self.counters_in(slot, agent.as_ref())?);
        }
        Ok(found)
    }

    /// The same for one agent; `None` is the unassigned cgroups. Nothing for an
    /// agent without a slot.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counters_of(
        &self,
        agent: Option<&AgentName>,
    ) -> Result<Vec<AgentCounters>, KernelError> {
        let slot = agent.map_or(Some(SLOT_UNBOUND), |agent| self.slot(agent));
        slot.map_or(Ok(Vec::new()), |slot| self.counters_in(slot, agent))
    }

    /// What rules allowed an agent, in two look-ups; `None` for one without a
    /// slot. Packets, bytes and connections since the slot is the agent's.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn allowed(&self, agent: &AgentName) -> Result<Option<Counter>, KernelError> {
        self.slot(agent).map(|slot| self.counters.allowed_of_slot(slot)).transpose()
    }

    fn counters_in(
        &self,
        slot: u32,
        agent: Option<&AgentName>,
    ) -> Result<Vec<AgentCounters>, KernelError> {
        let sums = self.counters.of_slot(slot)?;
        let row = |(reason, audited, sum): (_, _, Counter)| AgentCounters {
            agent: agent.cloned(),
            reason,
            audited,
            packets: sum.packets,
            bytes: sum.bytes,
            connections: sum.connections,
            sockets: sum.sockets,
        };
        Ok(sums.into_iter().map(row).collect())
    }

    /// What became of each agent's records; `None` is the unassigned cgroups'.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn record_stats(&self) -> Result<Vec<(Option<AgentName>, RecordStats)>, KernelError> {
        let owners = self.lock().owners();
        owners
            .into_iter()
            .map(|(agent, slot)| Ok((agent, self.counters.records_of_slot(slot)?)))
            .collect()
    }

    /// How full the tables are.
    pub fn occupancy(&self) -> Vec<Occupancy> {
        let tables = self.lock();
        let residents = &tables.residents;
        let table = |map, (entries, capacity)| Occupancy { map, entries, capacity };
        let of =
            |map, entries, capacity: u32| Occupancy { map, entries, capacity: capacity.into() };
        vec![
            of(
                "agents",
                tables.slots.iter().count() as u64,
                tables.maps.names.len().saturating_sub(1),
            ),
            of("cgroups", tables.maps.cgroups.keys().count() as u64, tables.maps.cgroup_capacity),
            table("prefixes", residents.lines()),
            table("port_rules", residents.port_rules()),
        ]
    }
}

// === impl Tables ===

impl super::state::Tables {
    /// Owners of slots, the unassigned cgroups first.
    fn owners(&self) -> Vec<(Option<AgentName>, u32)> {
        let named = self
            .slots
            .iter()
            .filter_map(|(name, slot)| Some((Some(AgentName::parse(name).ok()?), slot)));
        std::iter::once((None, SLOT_UNBOUND)).chain(named).collect()
    }
}

/// The clock of `bpf_ktime_get_ns`: `CLOCK_MONOTONIC`.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the struct we own; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
