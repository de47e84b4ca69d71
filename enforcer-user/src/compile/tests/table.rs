//! A plan as `decide` asks for it, searched in the simplest way.

use std::collections::HashMap;

use enforcer_common::{
    Address, AgentLimits, Cap, Charge, Decision, Flow, Hook, PolicyTables, PortList, PortRule,
    Protocol, decide,
};

use crate::compile::{AgentPlan, Plan, compile};
use crate::config::Settings;
use crate::policy::parse;

/// Slot and policy id that the one agent of a test gets.
const SLOT: u32 = 1;

/// One agent's tables.
pub(crate) struct TestTable {
    limits: AgentLimits,
    prefixes: HashMap<(u8, u128), PortList>,
    rules: Vec<PortRule>,
}

/// The plan of one policy text.
pub(crate) fn plan(policy: &str) -> Plan {
    let settings = Settings::default();
    let inventory = parse(policy, None, &settings).unwrap_or_else(|e| panic!("{e}"));
    compile(&inventory, &settings).unwrap_or_else(|e| panic!("{e}"))
}

// === impl TestTable ===

impl TestTable {
    pub(crate) fn of(policy: &str) -> Self {
        Self::new(&plan(policy).agents[0])
    }

    pub(crate) fn new(agent: &AgentPlan) -> Self {
        let mut rules = Vec::new();
        let mut lists = Vec::new();
        for list in &agent.lists {
            let first = u32::try_from(rules.len()).expect("small");
            let count = u32::try_from(list.len()).expect("small");
            lists.push(PortList { first, count });
            rules.extend(list);
        }
        let key = |prefix: &crate::compile::Prefix| (prefix.len, bits(prefix.address.0));
        let prefixes = agent
            .prefixes
            .iter()
            .map(|p| (key(p), lists[p.list as usize]))
            .collect::<HashMap<_, _>>();
        assert_eq!(prefixes.len(), agent.prefixes.len(), "each prefix stands once");
        Self { limits: AgentLimits { policy_id: SLOT, ..agent.limits }, prefixes, rules }
    }

    /// What becomes of one socket call.
    pub(crate) fn decide(&self, to: &str, protocol: Protocol, port: u16) -> Decision {
        let ip: std::net::IpAddr = to.parse().expect("an address");
        let flow = Flow::of_call(Address::from(ip), port, protocol);
        decide(self, Hook::Connect4, SLOT, &flow, Ok(()))
    }
}

fn bits(address: [u8; 16]) -> u128 {
    u128::from_be_bytes(address)
}

impl PolicyTables for TestTable {
    fn limits(&self, slot: u32) -> Option<&AgentLimits> {
        (slot == SLOT).then_some(&self.limits)
    }

    fn quarantined(&self, _slot: u32) -> bool {
        false
    }

    fn port_list(&self, _limits: &AgentLimits, address: &Address) -> Option<PortList> {
        // An IPv6 rule never governs IPv4.
        let shortest = if address.is_v4() { 96 } else { 0 };
        let address = bits(address.0);
        (shortest..=128_u8).rev().find_map(|len| {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            self.prefixes.get(&(len, address & mask)).copied()
        })
    }

    fn port_rule(&self, index: u32) -> Option<PortRule> {
        self.rules.get(index as usize).copied()
    }

    fn interface(&self, _policy_id: u32, _index: u32) -> bool {
        true
    }

    fn charge(&self, _slot: u32, _which: Charge, _cap: &Cap, _units: u64) -> bool {
        true
    }
}
