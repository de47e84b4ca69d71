//! Which slot belongs to which agent. A slot stays with its agent's name for as
//! long as the maps exist, so that an agent whose policy is taken away and
//! brought back meets its old counters and its old quarantine.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

use enforcer_common::{AgentState, BANKS, NAME_LEN, SLOT_UNBOUND};

use super::counters::Counters;
use super::error::KernelError;
use super::maps::Maps;

/// Agents' slots by name.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    by_name: BTreeMap<String, u32>,
    /// Last owners of slots that changed hands, and the last generation in which
    /// each of them was.
    earlier: BTreeMap<u32, (u32, String)>,
}

// === impl Slots ===

impl Slots {
    /// Reads the names that an earlier daemon has left.
    pub(crate) fn adopt(maps: &Maps) -> Self {
        let slots = SLOT_UNBOUND + 1..maps.names.len();
        let by_name = slots.filter_map(|slot| Some((maps.name(slot)?, slot))).collect();
        Self { by_name, earlier: BTreeMap::new() }
    }

    pub(crate) fn get(&self, agent: &str) -> Option<u32> {
        self.by_name.get(agent).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.by_name.iter().map(|(name, &slot)| (name.as_str(), slot))
    }

    /// Who had the slot before its owner, if that was so in this generation.
    pub(crate) fn owner_before(&self, slot: u32, generation: u32) -> Option<&str> {
        let (last, name) = self.earlier.get(&slot)?;
        (generation <= *last).then_some(name.as_str())
    }

    /// The agent's slot, given now if it has none. An [idle](Slots::idle) slot
    /// is reused last.
    pub(crate) fn assign(
        &mut self,
        maps: &mut Maps,
        agent: &str,
        wanted: &[&str],
        counters: &mut Counters,
    ) -> Result<u32, KernelError> {
        if let Some(slot) = self.get(agent) {
            return Ok(slot);
        }
        let slot = match self.free(maps) {
            Some(slot) => slot,
            None => self.reclaim(maps, wanted)?,
        };
        clear(maps, slot);
        counters.clear(slot)?;
        let mut name = [0; NAME_LEN];
        let len = agent.len().min(NAME_LEN);
        name[..len].copy_from_slice(&agent.as_bytes()[..len]);
        if !maps.names.set(slot, name) {
            return Err(KernelError::UnknownAgent(agent.to_owned()));
        }
        self.by_name.insert(agent.to_owned(), slot);
        Ok(slot)
    }

    fn free(&self, maps: &Maps) -> Option<u32> {
        (SLOT_UNBOUND + 1..maps.names.len()).find(|&slot| maps.name(slot).is_none())
    }

    /// Slots of agents that are not in `wanted`. A quarantine is kept: its agent
    /// may come back.
    pub(crate) fn left_out<'a>(
        &'a self,
        maps: &'a Maps,
        wanted: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, u32)> {
        let free = |slot| maps.states.get(slot).is_some_and(|s| s.quarantine == AgentState::FREE);
        self.iter().filter(move |&(name, slot)| !wanted.contains(&name) && free(slot))
    }

    /// Those of them that have no policy in the generation in force.
    pub(crate) fn idle<'a>(
        &'a self,
        maps: &'a Maps,
        wanted: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, u32)> {
        let bank = maps.control().generation as usize % BANKS;
        let denies =
            move |slot| maps.agents.get(slot).is_some_and(|e| e.banks[bank].policy_id == 0);
        self.left_out(maps, wanted).filter(move |&(_, slot)| denies(slot))
    }

    /// Takes an idle slot from its agent, its cgroups and their sockets.
    fn reclaim(&mut self, maps: &mut Maps, wanted: &[&str]) -> Result<u32, KernelError> {
        let Some((name, slot)) = self.idle(maps, wanted).next() else {
            let (needed, capacity) =
                (wanted.len() as u64, maps.names.len().saturating_sub(1).into());
            return Err(KernelError::Full { what: "agents", needed, free: 0, capacity });
        };
        let name = name.to_owned();
        self.by_name.remove(&name);
        maps.vacate(slot)?;
        self.earlier.insert(slot, (maps.control().generation, name));
        Ok(slot)
    }
}

/// A new owner starts with its state at zero.
fn clear(maps: &Maps, slot: u32) {
    for offset in (0..size_of::<AgentState>()).step_by(8) {
        if let Some(cell) = maps.states.cell(slot, offset) {
            cell.store(0, Ordering::SeqCst);
        }
    }
}

/// The cell of an [`AgentState`] field.
pub(crate) fn quarantine_cell(maps: &Maps, slot: u32) -> Option<&std::sync::atomic::AtomicU64> {
    maps.states.cell(slot, offset_of!(AgentState, quarantine))
}
