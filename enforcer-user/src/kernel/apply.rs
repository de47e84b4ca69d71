//! A plan becomes a generation: everything is written beside what is in force,
//! then one store makes it visible.

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use enforcer_common::{AgentLimits, BANKS, Control};

use super::bind::settle;
use super::error::KernelError;
use super::resident::Place;
use super::state::{Kernel, Tables};
use crate::compile::{AgentPlan, Plan, RuleInfo};
use crate::policy::AgentName;

// === impl Kernel ===

impl Kernel {
    /// Puts a plan in force as one generation and returns its number. Cgroups
    /// that are bound otherwise than `bindings` (cgroup ids and their agents)
    /// are nobody's from just before: [`Kernel::bind`] gives them to theirs.
    ///
    /// # Errors
    /// The plan does not fit, or the kernel refused an entry: the generation
    /// in force stays, whole; cgroups may have to be bound again.
    pub fn apply(&self, plan: &Plan, bindings: &[(u64, AgentName)]) -> Result<u32, KernelError> {
        self.lock().apply(plan, bindings)
    }

    /// Follows interfaces named in policies that came, went, or came back.
    ///
    /// # Errors
    /// The kernel refused an entry; that interface is denied.
    pub fn look_up_interfaces(&self) -> Result<(), KernelError> {
        let tables = &mut *self.lock();
        let moved = tables.residents.look_up_interfaces(&mut tables.maps);
        if !matches!(moved, Ok(false)) {
            tables.maps.revoke_shortcuts();
        }
        moved.map(drop)
    }

    /// Number of the generation in force; 0 before the first plan.
    pub fn generation(&self) -> u32 {
        self.lock().maps.control().generation
    }

    /// The agent that had a slot in a generation: records of an earlier owner
    /// may still be on their way.
    pub fn agent(&self, slot: u32, generation: u32) -> Option<AgentName> {
        let tables = self.lock();
        let name = match tables.slots.owner_before(slot, generation) {
            Some(earlier) => earlier.to_owned(),
            None => tables.maps.name(slot)?,
        };
        AgentName::parse(&name).ok()
    }

    /// The slot of an agent.
    pub fn slot(&self, agent: &AgentName) -> Option<u32> {
        self.lock().slots.get(agent.as_str())
    }

    /// What a rule id means in the policy with this id.
    pub fn rule(&self, policy_id: u32, rule: u32) -> Option<RuleInfo> {
        self.lock().rules.get(&policy_id)?.get(rule as usize).cloned()
    }
}

// === impl Tables ===

impl Tables {
    fn apply(&mut self, plan: &Plan, bindings: &[(u64, AgentName)]) -> Result<u32, KernelError> {
        self.refuse_what_does_not_fit(plan)?;
        let wanted: Vec<&str> = plan.agents.iter().map(|a| a.agent.as_str()).collect();
        self.make_room(&wanted)?;
        let mut fresh = Vec::new();
        let written = self.write(plan, &wanted, &mut fresh);
        let ready = written.and_then(|entries| self.unbind_others(bindings).map(|()| entries));
        let entries = match ready {
            Ok(entries) => entries,
            Err(error) => {
                // Nothing reads them yet, so nothing has to be waited for.
                fresh.into_iter().try_for_each(|id| self.residents.remove(&mut self.maps, id))?;
                return Err(error);
            }
        };
        let generation = self.switch(&entries)?;
        self.forget_old(plan, &entries)?;
        Ok(generation)
    }

    /// Checked before anything is written, so that the usual refusal costs
    /// nothing. The other tables tell when they are full.
    fn refuse_what_does_not_fit(&self, plan: &Plan) -> Result<(), KernelError> {
        let slots = u64::from(self.maps.names.len().saturating_sub(1));
        if plan.agents.len() as u64 > slots {
            let needed = plan.agents.len() as u64;
            return Err(KernelError::Full { what: "agents", needed, free: slots, capacity: slots });
        }
        Ok(())
    }

    /// Where the plan needs slots of agents that it leaves out, those stop first:
    /// a generation of its own in which they have no policy. A slot changes
    /// hands only while it denies, so nothing of the old owner's is ever judged,
    /// or counted, as the new one's.
    fn make_room(&mut self, wanted: &[&str]) -> Result<(), KernelError> {
        let slots = self.maps.names.len().saturating_sub(1) as usize;
        let fresh = wanted.iter().filter(|name| self.slots.get(name).is_none()).count();
        let empty = slots.saturating_sub(self.slots.iter().count());
        if fresh <= empty + self.slots.idle(&self.maps, wanted).count() {
            return Ok(());
        }
        let free = empty + self.slots.left_out(&self.maps, wanted).count();
        if fresh > free {
            let (needed, free, capacity) = (fresh as u64, free as u64, slots as u64);
            return Err(KernelError::Full { what: "agents", needed, free, capacity });
        }
        let kept = |name: &str| wanted.contains(&name);
        let bank = self.maps.control().generation as usize % BANKS;
        let mut entries = Vec::new();
        for (_, slot) in self.slots.iter().filter(|(name, _)| kept(name)) {
            let limits = self.maps.agents.get(slot).unwrap_or_default().banks[bank];
            self.write_bank(slot, self.idle_bank(), limits)?;
            entries.push((slot, limits.policy_id));
        }
        self.switch(&entries)?;
        settle();
        Ok(())
    }

    /// Where the tables of an agent are that stay as they are.
    fn unchanged(&self, agent: &AgentPlan) -> Option<Place> {
        let (id, old) = self.plans.get(agent.agent.as_str())?;
        let same = old.prefixes == agent.prefixes
            && old.lists == agent.lists
            && old.unix == agent.unix
            && old.interfaces == agent.interfaces;
        if same { self.residents.place(*id) } else { None }
    }

    /// Writes tables of agents that changed; ids of new ones go to `fresh`.
    fn write(
        &mut self,
        plan: &Plan,
        wanted: &[&str],
        fresh: &mut Vec<u32>,
    ) -> Result<Vec<(u32, u32)>, KernelError> {
        let mut entries = Vec::with_capacity(plan.agents.len());
        for agent in &plan.agents {
            let slot = self.slots.assign(
                &mut self.maps,
                agent.agent.as_str(),
                wanted,
                &mut self.counters,
            )?;
            let place = match self.unchanged(agent) {
                Some(place) => place,
                None => {
                    let place = self.residents.insert(&mut self.maps, agent)?;
                    fresh.push(place.policy_id);
                    place
                }
            };
            let Place { policy_id, prefixes } = place;
            let limits = AgentLimits { policy_id, prefixes, ..agent.limits };
            self.write_bank(slot, self.idle_bank(), limits)?;
            entries.push((slot, policy_id));
        }
        Ok(entries)
    }

    fn idle_bank(&self) -> usize {
        (self.maps.control().generation as usize + 1) % BANKS
    }

    fn write_bank(&self, slot: u32, bank: usize, limits: AgentLimits) -> Result<(), KernelError> {
        let mut entry = self.maps.agents.get(slot).unwrap_or_default();
        entry.banks[bank] = limits;
        if self.maps.agents.set(slot, entry) {
            return Ok(());
        }
        let capacity = u64::from(self.maps.agents.len());
        Err(KernelError::Full { what: "agents", needed: u64::from(slot), free: 0, capacity })
    }

    /// Empties the idle bank of every agent that the plan leaves out, then
    /// makes the new generation visible with one store.
    fn switch(&mut self, entries: &[(u32, u32)]) -> Result<u32, KernelError> {
        let bank = self.idle_bank();
        let kept: std::collections::HashSet<u32> = entries.iter().map(|&(slot, _)| slot).collect();
        for (_, slot) in self.slots.iter().filter(|(_, slot)| !kept.contains(slot)) {
            self.write_bank(slot, bank, AgentLimits::default())?;
        }
        let generation = self.maps.control().generation.wrapping_add(1);
        self.maps.store_control(offset_of!(Control, generation), generation);
        Ok(generation)
    }

    /// Takes old policies out, once no running program can still read them.
    fn forget_old(&mut self, plan: &Plan, entries: &[(u32, u32)]) -> Result<(), KernelError> {
        settle();
        let ids: Vec<u32> = entries.iter().map(|&(_, id)| id).collect();
        // Records of the last generation may still be on their way.
        let previous: Vec<u32> = self.plans.values().map(|(id, _)| *id).collect();
        self.rules.retain(|id, _| previous.contains(id));
        self.plans.clear();
        for (agent, &id) in plan.agents.iter().zip(&ids) {
            self.rules.insert(id, Arc::new(agent.rules.clone()));
            self.plans.insert(agent.agent.as_str().to_owned(), (id, agent.clone()));
        }
        self.residents.retain(&mut self.maps, &ids)
    }
}

// === impl Maps ===

impl super::maps::Maps {
    /// Writes one 32-bit field of `CONTROL`, whole.
    pub(super) fn store_control(&self, offset: usize, value: u32) {
        if let Some(field) = self.control_field(offset) {
            field.store(value, Ordering::SeqCst);
        }
    }

    /// What was allowed to anybody until now is looked up again; after whatever
    /// takes an allowance away. Programs do the same, and so it is one addition.
    pub(super) fn revoke_shortcuts(&self) {
        if let Some(field) = self.control_field(offset_of!(Control, revocations)) {
            field.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Cells are 64 bits wide, the fields of `CONTROL` half of that.
    fn control_field(&self, offset: usize) -> Option<&AtomicU32> {
        let cell = self.control.cell(0, offset / 8 * 8)?;
        let field = std::ptr::from_ref(cell).cast::<AtomicU32>();
        // SAFETY: an aligned half of a live 64-bit cell; programs read it with
        // plain loads, and all writers are atomic.
        Some(unsafe { &*field.add(offset % 8 / 4) })
    }
}
