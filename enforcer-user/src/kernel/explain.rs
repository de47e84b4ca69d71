//! The verdict the kernel would give now, from the maps it is using; works with
//! the daemon dead.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use enforcer_common::{
    Address, AgentLimits, AgentState, BANKS, Cap, Charge, Decision, Flow, Hook, Meter,
    PolicyTables, PortList, PortRule, decide, find,
};

use super::agents::monotonic_ns;
use super::error::KernelError;
use super::links;
use super::maps::Maps;

/// A read-only view of the pinned maps.
pub struct Pins {
    dir: PathBuf,
    maps: Maps,
}

/// A decision and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What the kernel would do.
    pub decision: Decision,
    /// Policy in whose rules the decision's rule is an index.
    pub policy_id: u32,
    /// Generation in force.
    pub generation: u32,
    /// Whether the agent is quarantined.
    pub quarantined: bool,
}

// === impl Pins ===

impl Pins {
    /// Opens the pins.
    ///
    /// # Errors
    /// [`KernelError::NoPins`] where nothing is enforced.
    pub fn open(bpf_dir: &Path) -> Result<Self, KernelError> {
        let maps = Maps::open(&bpf_dir.join("maps"), false)?;
        Ok(Self { dir: bpf_dir.to_owned(), maps })
    }

    /// The slot of an agent.
    ///
    /// # Errors
    /// None now; maps that must be asked by system call may have some.
    pub fn slot_of_agent(&self, agent: &str) -> Result<Option<u32>, KernelError> {
        Ok((1..self.maps.names.len()).find(|&slot| self.maps.name(slot).as_deref() == Some(agent)))
    }

    /// Agents whose policies are in force, by name.
    pub fn agents(&self) -> Vec<String> {
        let in_force = |slot: &u32| self.limits(*slot).is_some_and(|limits| limits.policy_id != 0);
        let slots = (1..self.maps.names.len()).filter(in_force);
        let mut names: Vec<_> = slots.filter_map(|slot| self.maps.name(slot)).collect();
        names.sort();
        names
    }

    /// The agent that a cgroup id is bound to, if its policy is in force.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn agent_of_cgroup(&self, cgroup_id: u64) -> Result<Option<(u32, String)>, KernelError> {
        let slot = match self.maps.cgroups.get(&cgroup_id, 0) {
            Ok(slot) => slot,
            Err(aya::maps::MapError::KeyNotFound) => return Ok(None),
            Err(source) => return Err(KernelError::map("CGROUPS")(source)),
        };
        let in_force = self.limits(slot).is_some_and(|limits| limits.policy_id != 0);
        Ok(self.maps.name(slot).filter(|_| in_force).map(|name| (slot, name)))
    }

    /// The verdict for one flow of an agent, decided by the same function and
    /// on the same tables as the kernel's.
    ///
    /// # Errors
    /// No such agent.
    pub fn explain(
        &self,
        agent: &str,
        hook: Hook,
        flow: &Flow,
    ) -> Result<Explanation, KernelError> {
        let unknown = || KernelError::UnknownAgent(agent.to_owned());
        let slot = self.slot_of_agent(agent)?.ok_or_else(unknown)?;
        let limits = self.limits(slot).ok_or_else(unknown)?;
        let state = self.maps.states.get(slot).ok_or_else(unknown)?;
        let view = View { maps: &self.maps, limits, state };
        Ok(Explanation {
            decision: decide(&view, hook, slot, flow, Ok(())),
            policy_id: limits.policy_id,
            generation: self.maps.control().generation,
            quarantined: state.quarantine != AgentState::FREE,
        })
    }

    /// What is wrong with the links to the enforced root, one sentence each.
    pub fn links_attached(&self, root_cgroup: &Path) -> Vec<String> {
        links::problems(&self.dir.join("links"), root_cgroup)
    }

    fn limits(&self, slot: u32) -> Option<AgentLimits> {
        let bank = self.maps.control().generation as usize % BANKS;
        Some(self.maps.agents.get(slot)?.banks[bank])
    }
}

/// The tables as `decide` asks for them, for one agent.
struct View<'a> {
    maps: &'a Maps,
    limits: AgentLimits,
    state: AgentState,
}

/// A copy of an arrival time: asking must not charge the agent.
struct Copy(AtomicU64);

impl Meter for Copy {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        self.0.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).map(|_| ())
    }
}

impl PolicyTables for View<'_> {
    fn limits(&self, _: u32) -> Option<&AgentLimits> {
        Some(&self.limits)
    }

    fn quarantined(&self, _: u32) -> bool {
        self.state.quarantine != AgentState::FREE
    }

    fn port_list(&self, limits: &AgentLimits, address: &Address) -> Option<PortList> {
        find(&self.maps.prefixes, limits.prefixes, address)
    }

    fn port_rule(&self, index: u32) -> Option<PortRule> {
        self.maps.port_rules.get(index)
    }

    fn interface(&self, _policy_id: u32, _index: u32) -> bool {
        true
    }

    fn charge(&self, _: u32, which: Charge, cap: &Cap, units: u64) -> bool {
        let arrival = match which {
            Charge::Packets => self.state.packets_arrival,
            Charge::Bytes => self.state.bytes_arrival,
            Charge::Connections => self.state.connections_arrival,
        };
        cap.charge(&Copy(AtomicU64::new(arrival)), monotonic_ns(), units)
    }
}
