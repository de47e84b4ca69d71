//! Which policies stand in the kernel's tables, and how they get in and out.
//! A policy's entries carry its own id, so several generations stand side by
//! side until the old one is no longer read.

use std::collections::HashMap;

use aya::maps::lpm_trie::Key;
use enforcer_common::{PortList, PrefixKey};

use super::arena::Arena;
use super::error::KernelError;
use super::maps::Maps;
use super::passes::{Passes, gone};
use crate::compile::{AgentPlan, Prefix};

/// Policies by id, with what is needed to take them out again.
#[derive(Debug)]
pub(crate) struct Residents {
    policies: HashMap<u32, Resident>,
    arena: Arena,
    next_id: u32,
}

#[derive(Debug, Default)]
struct Resident {
    keys: Vec<(u32, PrefixKey)>,
    /// Starts of its runs of port rules.
    runs: Vec<u32>,
    passes: Passes,
}

// === impl Residents ===

impl Residents {
    /// Finds out what an earlier daemon has left in the tables.
    pub(crate) fn adopt(maps: &Maps) -> Result<Self, KernelError> {
        let mut found =
            Self { policies: HashMap::new(), arena: Arena::new(maps.port_rules.len()), next_id: 1 };
        // A policy without rules has no entries but its id is taken all the same.
        for slot in 0..maps.agents.len() {
            for bank in maps.agents.get(slot).unwrap_or_default().banks {
                found.next_id = found.next_id.max(bank.policy_id.wrapping_add(1));
            }
        }
        for entry in maps.prefixes.iter() {
            let (key, list) = entry.map_err(KernelError::map("PREFIXES"))?;
            let data = key.data();
            let resident = found.policies.entry(data.policy_id).or_default();
            resident.keys.push((key.prefix_len(), data));
            if list.count > 0 {
                resident.runs.push(list.first);
                found.arena.adopt(list.first, list.count);
            }
            found.next_id = found.next_id.max(data.policy_id.wrapping_add(1));
        }
        for (id, passes) in Passes::adopt(maps)? {
            found.policies.entry(id).or_default().passes = passes;
            found.next_id = found.next_id.max(id.wrapping_add(1));
        }
        Ok(found)
    }

    /// Prefixes in the table now.
    pub(crate) fn prefixes(&self) -> u64 {
        self.policies.values().map(|r| r.keys.len() as u64).sum()
    }

    /// Port rules in the table now, and how many there can be.
    pub(crate) fn port_rules(&self) -> (u64, u64) {
        (self.arena.in_use(), u64::from(self.arena.capacity()))
    }

    /// An id that no policy in the tables has.
    fn fresh_id(&mut self) -> u32 {
        while self.next_id == 0 || self.policies.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Writes a policy under a new id. Nothing reads it yet. On an error
    /// nothing of it is left.
    pub(crate) fn insert(&mut self, maps: &mut Maps, plan: &AgentPlan) -> Result<u32, KernelError> {
        let id = self.fresh_id();
        let (firsts, run) = self.insert_lists(maps, plan)?;
        let mut resident = Resident { runs: run.into_iter().collect(), ..Resident::default() };
        let written = resident.write(maps, id, plan, &firsts);
        self.policies.insert(id, resident);
        if let Err(error) = written {
            self.remove(maps, id)?;
            return Err(error);
        }
        Ok(id)
    }

    /// Follows interfaces that came and went since they were last looked up.
    pub(crate) fn look_up_interfaces(&mut self, maps: &mut Maps) -> Result<bool, KernelError> {
        self.policies.iter_mut().try_fold(false, |moved, (id, resident)| {
            Ok(resident.passes.look_up_interfaces(maps, *id)? || moved)
        })
    }

    /// All lists of a plan as one run; where each of them starts.
    fn insert_lists(
        &mut self,
        maps: &Maps,
        plan: &AgentPlan,
    ) -> Result<(Vec<PortList>, Option<u32>), KernelError> {
        let needed: usize = plan.lists.iter().map(Vec::len).sum();
        let (in_use, capacity) = self.port_rules();
        let full = KernelError::Full {
            what: "port rules",
            needed: needed as u64,
            free: capacity - in_use,
            capacity,
        };
        let Some(run) = u32::try_from(needed).ok().and_then(|len| self.arena.take(len)) else {
            return Err(full);
        };
        let mut at = run;
        let mut firsts = Vec::with_capacity(plan.lists.len());
        for list in &plan.lists {
            let first = at;
            for rule in list {
                if !maps.port_rules.set(at, *rule) {
                    return Err(full);
                }
                at += 1;
            }
            firsts.push(PortList { first, count: at - first });
        }
        Ok((firsts, (needed > 0).then_some(run)))
    }

    /// Takes a policy out. No program may still read it.
    pub(crate) fn remove(&mut self, maps: &mut Maps, id: u32) -> Result<(), KernelError> {
        let Some(resident) = self.policies.remove(&id) else { return Ok(()) };
        for (bits, key) in resident.keys {
            gone(maps.prefixes.remove(&Key::new(bits, key)))
                .map_err(KernelError::map("PREFIXES"))?;
        }
        resident.passes.remove(maps, id)?;
        for run in resident.runs {
            self.arena.free(run);
        }
        Ok(())
    }

    /// Takes out every policy but these.
    pub(crate) fn retain(&mut self, maps: &mut Maps, keep: &[u32]) -> Result<(), KernelError> {
        let stale: Vec<u32> =
            self.policies.keys().copied().filter(|id| !keep.contains(id)).collect();
        stale.into_iter().try_for_each(|id| self.remove(maps, id))
    }
}

// === impl Resident ===

impl Resident {
    fn write(
        &mut self,
        maps: &mut Maps,
        id: u32,
        plan: &AgentPlan,
        firsts: &[PortList],
    ) -> Result<(), KernelError> {
        for prefix in &plan.prefixes {
            let (bits, key) = key(id, prefix);
            let list = firsts.get(prefix.list as usize).copied().unwrap_or_default();
            maps.prefixes
                .insert(&Key::new(bits, key), list, 0)
                .map_err(KernelError::map("PREFIXES"))?;
            self.keys.push((bits, key));
        }
        self.passes.insert(maps, id, plan)
    }
}

fn key(policy_id: u32, prefix: &Prefix) -> (u32, PrefixKey) {
    let bits = PrefixKey::POLICY_BITS + u32::from(prefix.len);
    (bits, PrefixKey { policy_id, address: prefix.address.0 })
}
