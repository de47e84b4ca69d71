//! Which policies stand in the kernel's tables, and how they get in and out.
//! Each has lines and port rules of its own, so several generations stand side
//! by side until the old one is no longer read.

use std::collections::HashMap;

use aya::Pod;
use enforcer_common::{AgentLimits, BANKS, Entry, Image, PortList, Unfit};

use super::arena::Arena;
use super::error::KernelError;
use super::mapped::Mapped;
use super::maps::Maps;
use super::passes::Passes;
use crate::compile::{AgentPlan, Prefix};

/// Policies by id, with what is needed to take them out again.
#[derive(Debug)]
pub(crate) struct Residents {
    policies: HashMap<u32, Resident>,
    lines: Arena,
    port_rules: Arena,
    next_id: u32,
}

/// What programs are told of where a policy's tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) policy_id: u32,
    /// First line of its run in the prefix table.
    pub(crate) prefixes: u32,
}

/// Where one policy's tables begin; `None` where it has nothing there.
#[derive(Debug, Default)]
struct Resident {
    lines: Option<u32>,
    port_rules: Option<u32>,
    passes: Passes,
}

// === impl Residents ===

impl Residents {
    /// Finds out what an earlier daemon has left in the tables.
    pub(crate) fn adopt(maps: &Maps) -> Result<Self, KernelError> {
        let mut found = Self {
            policies: HashMap::new(),
            lines: Arena::new(maps.prefixes.len()),
            port_rules: Arena::new(maps.port_rules.len()),
            next_id: 1,
        };
        let in_force = maps.control().generation as usize % BANKS;
        for slot in 0..maps.agents.len() {
            let banks = maps.agents.get(slot).unwrap_or_default().banks;
            for limits in banks {
                found.next_id = found.next_id.max(limits.policy_id.wrapping_add(1));
            }
            found.adopt_policy(maps, &banks[in_force]);
        }
        for (id, passes) in Passes::adopt(maps)? {
            found.policies.entry(id).or_default().passes = passes;
            found.next_id = found.next_id.max(id.wrapping_add(1));
        }
        Ok(found)
    }

    fn adopt_policy(&mut self, maps: &Maps, limits: &AgentLimits) {
        if limits.policy_id == 0 {
            return;
        }
        // Without a whole run the programs find nothing either, and deny.
        let Some(image) = Image::read(&maps.prefixes, limits.prefixes) else { return };
        self.lines.adopt(limits.prefixes, image.len());
        self.port_rules.adopt(image.first_rule(), image.rules());
        let resident = self.policies.entry(limits.policy_id).or_default();
        resident.lines = Some(limits.prefixes);
        resident.port_rules = (image.rules() > 0).then_some(image.first_rule());
    }

    /// Lines of the prefix table in use now, and how many there are.
    pub(crate) fn lines(&self) -> (u64, u64) {
        self.lines.occupancy()
    }

    /// The same of port rules.
    pub(crate) fn port_rules(&self) -> (u64, u64) {
        self.port_rules.occupancy()
    }

    /// Where a policy's tables are.
    pub(crate) fn place(&self, policy_id: u32) -> Option<Place> {
        let prefixes = self.policies.get(&policy_id)?.lines?;
        Some(Place { policy_id, prefixes })
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
    pub(crate) fn insert(
        &mut self,
        maps: &mut Maps,
        plan: &AgentPlan,
    ) -> Result<Place, KernelError> {
        let policy_id = self.fresh_id();
        self.policies.insert(policy_id, Resident::default());
        let written = self.write(maps, policy_id, plan);
        if written.is_err() {
            self.remove(maps, policy_id)?;
        }
        written.map(|prefixes| Place { policy_id, prefixes })
    }

    /// What stands in the tables is noted at once, for whoever takes it out.
    fn write(&mut self, maps: &mut Maps, id: u32, plan: &AgentPlan) -> Result<u32, KernelError> {
        let Self { policies, lines, port_rules, .. } = self;
        let resident = policies.entry(id).or_default();
        let rules: Vec<_> = plan.lists.iter().flatten().copied().collect();
        let first_rule = port_rules.put("port rules", &maps.port_rules, &rules)?;
        resident.port_rules = (!rules.is_empty()).then_some(first_rule);
        let image = image(plan, first_rule)?;
        let first_line = lines.put("lines of prefixes", &maps.prefixes, image.lines())?;
        resident.lines = Some(first_line);
        resident.passes.insert(maps, id, plan)?;
        Ok(first_line)
    }

    /// Follows interfaces that came and went since they were last looked up.
    pub(crate) fn look_up_interfaces(&mut self, maps: &mut Maps) -> Result<bool, KernelError> {
        self.policies.iter_mut().try_fold(false, |moved, (id, resident)| {
            Ok(resident.passes.look_up_interfaces(maps, *id)? || moved)
        })
    }

    /// Takes a policy out. No program may still read it.
    pub(crate) fn remove(&mut self, maps: &mut Maps, id: u32) -> Result<(), KernelError> {
        let Some(resident) = self.policies.remove(&id) else { return Ok(()) };
        resident.lines.into_iter().for_each(|run| self.lines.free(run));
        resident.port_rules.into_iter().for_each(|run| self.port_rules.free(run));
        resident.passes.remove(maps, id)
    }

    /// Takes out every policy but these.
    pub(crate) fn retain(&mut self, maps: &mut Maps, keep: &[u32]) -> Result<(), KernelError> {
        let stale: Vec<u32> =
            self.policies.keys().copied().filter(|id| !keep.contains(id)).collect();
        stale.into_iter().try_for_each(|id| self.remove(maps, id))
    }
}

// === impl Arena ===

impl Arena {
    /// Copies entries into a free run of the table that this is the book of.
    fn put<T: Pod>(
        &mut self,
        what: &'static str,
        table: &Mapped<T>,
        entries: &[T],
    ) -> Result<u32, KernelError> {
        let (in_use, capacity) = self.occupancy();
        let needed = entries.len() as u64;
        let full = KernelError::Full { what, needed, free: capacity - in_use, capacity };
        let run = u32::try_from(entries.len()).ok().and_then(|len| self.take(len));
        let Some(first) = run else { return Err(full) };
        let fits = (first..).zip(entries).all(|(at, entry)| table.set(at, *entry));
        if fits { Ok(first) } else { Err(full) }
    }
}

/// The run of a plan's prefixes, whose port rules begin at `first_rule`.
fn image(plan: &AgentPlan, first_rule: u32) -> Result<Image, KernelError> {
    let mut lists: Vec<PortList> = Vec::with_capacity(plan.lists.len());
    for list in &plan.lists {
        let first = lists.last().map_or(0, |before| before.first + before.count);
        lists.push(PortList { first, count: u32::try_from(list.len()).unwrap_or(u32::MAX) });
    }
    let entry = |prefix: &Prefix| Entry {
        address: prefix.address,
        length: prefix.len,
        list: lists.get(prefix.list as usize).copied().unwrap_or_default(),
    };
    let entries: Vec<Entry> = plan.prefixes.iter().map(entry).collect();
    Image::of(&entries, first_rule).map_err(|Unfit(entry)| KernelError::Unfit {
        agent: plan.agent.to_string(),
        address: entry.address.into(),
    })
}
