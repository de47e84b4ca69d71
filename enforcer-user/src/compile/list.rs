//! The port rules that hold for one prefix.

use enforcer_common::{PortRule, Protocol};

use crate::compile::source::CompiledRule;
use crate::policy::Transport;

/// Which addresses a prefix holds; each family has its own ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

/// Port rules in the order they are tried, without those that an earlier one
/// covers whole and so can never match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    denies: Vec<PortRule>,
    allows: Vec<PortRule>,
}

// === impl List ===

impl List {
    /// What holds for a prefix: its own rules, then those of the shorter
    /// prefix around it; denies before allows.
    pub(super) fn new(own: &[(u32, &CompiledRule)], family: Family, outer: &Self) -> Self {
        let lines = |allow: bool| {
            let rules = own.iter().filter(move |(_, rule)| rule.allow == allow);
            rules.flat_map(move |(id, rule)| lines(*id, rule, family))
        };
        let mut list = Self::default();
        for line in lines(false).chain(outer.denies.iter().copied()) {
            if !list.denies.iter().any(|earlier| covers(earlier, &line)) {
                list.denies.push(line);
            }
        }
        for line in lines(true).chain(outer.allows.iter().copied()) {
            if !list.denies.iter().chain(&list.allows).any(|earlier| covers(earlier, &line)) {
                list.allows.push(line);
            }
        }
        list
    }

    /// Number of port rules.
    pub(super) fn len(&self) -> usize {
        self.denies.len() + self.allows.len()
    }

    /// All of them, in order.
    pub(super) fn to_vec(&self) -> Vec<PortRule> {
        self.denies.iter().chain(&self.allows).copied().collect()
    }
}

fn covers(earlier: &PortRule, later: &PortRule) -> bool {
    let any = Protocol(earlier.protocol) == Protocol::ANY;
    (any || earlier.protocol == later.protocol)
        && earlier.low <= later.low
        && later.high <= earlier.high
}

fn lines(id: u32, rule: &CompiledRule, family: Family) -> impl Iterator<Item = PortRule> {
    rule.ports.iter().map(move |ports| PortRule {
        rule: id,
        low: ports.low,
        high: ports.high,
        protocol: number(ports.protocol, family).0,
        allow: u8::from(rule.allow),
        reserved: 0,
    })
}

fn number(protocol: Transport, family: Family) -> Protocol {
    match (protocol, family) {
        (Transport::Any, _) => Protocol::ANY,
        (Transport::Tcp, _) => Protocol::TCP,
        (Transport::Udp, _) => Protocol::UDP,
        (Transport::Icmp, Family::V4) => Protocol::ICMP,
        (Transport::Icmp, Family::V6) => Protocol::ICMPV6,
    }
}
