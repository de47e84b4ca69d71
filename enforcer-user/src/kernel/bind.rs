//! Which cgroups are whose. A cgroup that changes hands is nobody's in between.

use std::collections::HashMap;
use std::mem::offset_of;

use enforcer_common::Control;

use super::error::KernelError;
use super::maps::Maps;
use super::state::{Kernel, Tables};
use super::sys;
use crate::policy::AgentName;

// === impl Kernel ===

impl Kernel {
    /// Says which cgroups (by id) are which agents'. The whole set: what is
    /// left out is unassigned from now on, sockets already made included.
    ///
    /// # Errors
    /// An agent without slot (apply its plan first) or a full map; cgroups that
    /// could not be bound stay denied.
    pub fn bind(&self, bindings: &[(u64, AgentName)]) -> Result<(), KernelError> {
        let mut tables = self.lock();
        let mut wanted = HashMap::new();
        for (cgroup, agent) in bindings {
            let slot = tables.slots.get(agent.as_str());
            let slot = slot.ok_or_else(|| KernelError::UnknownAgent(agent.as_str().to_owned()))?;
            wanted.insert(*cgroup, slot);
        }
        let bound = tables.maps.bound();
        if bound == wanted {
            return Ok(());
        }
        let map = &mut tables.maps.cgroups;
        for stale in bound.keys().filter(|id| !wanted.contains_key(id)) {
            map.remove(stale).map_err(KernelError::map("CGROUPS"))?;
        }
        for (id, slot) in wanted.iter().filter(|(id, slot)| bound.get(id) != Some(slot)) {
            map.insert(id, slot, 0).map_err(KernelError::map("CGROUPS"))?;
        }
        tables.maps.move_epoch();
        Ok(())
    }
}

// === impl Tables ===

impl Tables {
    /// Unbinds cgroups that these bindings give to nobody, or to another agent
    /// than now: no policy of the next generation may judge a cgroup by the
    /// agent of this one, however long the daemon takes to bind it, or if it dies.
    pub(super) fn unbind_others(
        &mut self,
        bindings: &[(u64, AgentName)],
    ) -> Result<(), KernelError> {
        let slot_of = |(id, agent): &(u64, AgentName)| Some((*id, self.slots.get(agent.as_str())?));
        let wanted: HashMap<u64, u32> = bindings.iter().filter_map(slot_of).collect();
        self.maps.unbind(|id, slot| wanted.get(&id) != Some(&slot))
    }
}

// === impl Maps ===

impl Maps {
    /// Takes a slot from all cgroups that it is bound to, and from their sockets.
    pub(super) fn vacate(&mut self, slot: u32) -> Result<(), KernelError> {
        self.unbind(|_, bound| bound == slot)?;
        // A socket may have kept the slot from an earlier binding.
        self.move_epoch();
        settle();
        Ok(())
    }

    /// Sockets look up anew whose they are.
    pub(super) fn move_epoch(&self) {
        let epoch = self.control().binding_epoch.wrapping_add(1);
        self.store_control(offset_of!(Control, binding_epoch), epoch);
    }

    fn bound(&self) -> HashMap<u64, u32> {
        self.cgroups.iter().filter_map(Result::ok).collect()
    }

    /// Unbinds what `is_stale` says of a cgroup and its slot. When this returns
    /// no program still takes the one for the other's.
    fn unbind(&mut self, is_stale: impl Fn(u64, u32) -> bool) -> Result<(), KernelError> {
        let mut stale = self.bound();
        stale.retain(|id, slot| is_stale(*id, *slot));
        if stale.is_empty() {
            return Ok(());
        }
        for id in stale.keys() {
            self.cgroups.remove(id).map_err(KernelError::map("CGROUPS"))?;
        }
        self.move_epoch();
        settle();
        Ok(())
    }
}

/// Waits until programs that run now have ended.
pub(super) fn settle() {
    if let Err(error) = sys::wait_for_running_programs() {
        // A program that still reads what was there before denies one packet.
        tracing::warn!(%error, "cannot wait for running programs");
    }
}
