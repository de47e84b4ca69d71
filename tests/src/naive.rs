//! A plan in `HashMap`s and lists, for `enforcer_common::decide`: what the
//! kernel must agree with.

use std::collections::HashMap;

use enforcer_common::{Address, AgentLimits, Cap, Charge, PolicyTables, PortList, PortRule};
use enforcer_user::compile::AgentPlan;

/// One agent's plan as tables.
#[derive(Clone, Debug)]
pub struct Tables {
    limits: AgentLimits,
    /// By length and masked address.
    prefixes: HashMap<(u8, u128), PortList>,
    rules: Vec<PortRule>,
    /// Whether the agent is cut off.
    pub quarantined: bool,
}

// === impl Tables ===

impl Tables {
    /// The tables of a plan; caps are not modelled.
    ///
    /// # Panics
    /// When the plan has a cap.
    pub fn of(plan: &AgentPlan) -> Self {
        let limits = AgentLimits { policy_id: 1, ..plan.limits };
        assert!(limits.packets.is_none() && limits.bytes.is_none(), "caps are not modelled");
        let (mut rules, mut lists) = (Vec::new(), Vec::new());
        for list in &plan.lists {
            let [first, count] = [rules.len(), list.len()].map(|n| u32::try_from(n).unwrap_or(0));
            lists.push(PortList { first, count });
            rules.extend_from_slice(list);
        }
        let prefixes = plan.prefixes.iter().map(|prefix| {
            let key = (prefix.len, masked(prefix.address.0, prefix.len));
            (key, lists[prefix.list as usize])
        });
        Self { limits, prefixes: prefixes.collect(), rules, quarantined: false }
    }
}

impl PolicyTables for Tables {
    fn limits(&self, _: u32) -> Option<&AgentLimits> {
        Some(&self.limits)
    }

    fn quarantined(&self, _: u32) -> bool {
        self.quarantined
    }

    fn port_list(&self, _: &AgentLimits, address: &Address) -> Option<PortList> {
        // An IPv6 rule never governs IPv4.
        let shortest = if address.is_v4() { 96 } else { 0 };
        let mut longest_first = (shortest..=128).rev();
        longest_first.find_map(|len| self.prefixes.get(&(len, masked(address.0, len))).copied())
    }

    fn port_rule(&self, index: u32) -> Option<PortRule> {
        self.rules.get(index as usize).copied()
    }

    fn interface(&self, _policy_id: u32, _index: u32) -> bool {
        true
    }

    fn charge(&self, _: u32, _: Charge, _: &Cap, _: u64) -> bool {
        true
    }
}

fn masked(address: [u8; 16], len: u8) -> u128 {
    let bits = u128::from_be_bytes(address);
    match len {
        0 => 0,
        len => bits & (u128::MAX << (128 - u32::from(len))),
    }
}
