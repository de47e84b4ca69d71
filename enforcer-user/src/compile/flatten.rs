//! Flattens rules, so that one longest-prefix look-up finds everything that
//! holds for an address: prefixes are sorted, and one walk with a stack of the
//! prefixes around the current one gives each its list.

use std::collections::HashMap;

use enforcer_common::{Address, MAX_PORT_RULES, PortRule};
use ipnet::IpNet;

use crate::compile::Prefix;
use crate::compile::list::{Family, List};
use crate::compile::source::CompiledRule;
use crate::config::{Diagnostic, Diagnostics};
use crate::policy::Policy;

/// An agent's prefixes and the lists they point to.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) prefixes: Vec<Prefix>,
    pub(super) lists: Vec<Vec<PortRule>>,
    /// Where each distinct list is.
    known: HashMap<Vec<PortRule>, u32>,
}

/// More port rules hold for one prefix than the kernel looks at.
#[derive(Debug)]
pub(super) struct TooLong {
    net: IpNet,
    rules: usize,
}

/// One prefix that rules name, in the common form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    family: Family,
    address: Address,
    len: u8,
    rule: u32,
    net: IpNet,
}

/// The prefix table of these rules.
pub(super) fn tables(rules: &[CompiledRule]) -> Result<Tables, TooLong> {
    let mut named: Vec<_> = (0..)
        .zip(rules)
        .flat_map(|(id, rule)| rule.to.iter().map(move |net| Named::new(id, *net)))
        .collect();
    named.sort_unstable();
    named.dedup();
    let mut tables = Tables::default();
    for family in named.chunk_by(|a, b| a.family == b.family) {
        tables.walk(family, rules)?;
    }
    Ok(tables)
}

// === impl Tables ===

impl Tables {
    /// Gives each prefix of one family its list.
    fn walk(&mut self, named: &[Named], rules: &[CompiledRule]) -> Result<(), TooLong> {
        let nothing = List::default();
        let mut around: Vec<(Named, List)> = Vec::new();
        for same in named.chunk_by(|a, b| (a.address, a.len) == (b.address, b.len)) {
            let here = same[0];
            while around.last().is_some_and(|(outer, _)| !outer.holds(&here)) {
                around.pop();
            }
            let outer = around.last().map_or(&nothing, |(_, list)| list);
            let own: Vec<_> =
                same.iter().filter_map(|n| Some((n.rule, rules.get(n.rule as usize)?))).collect();
            let list = List::new(&own, here.family, outer);
            if list.len() > MAX_PORT_RULES as usize {
                return Err(TooLong { net: here.net, rules: list.len() });
            }
            // What the prefix around already says needs no entry of its own.
            if list != *outer {
                self.put(here.address, here.len, list.to_vec());
                around.push((here, list));
            }
        }
        Ok(())
    }

    fn put(&mut self, address: Address, len: u8, list: Vec<PortRule>) {
        let next = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let list = *self.known.entry(list).or_insert_with_key(|list| {
            self.lists.push(list.clone());
            next
        });
        self.prefixes.push(Prefix { address, len, list });
    }
}

// === impl Named ===

impl Named {
    fn new(rule: u32, net: IpNet) -> Self {
        let net = net.trunc();
        let address = Address::from(net.network());
        match net {
            IpNet::V4(v4) => {
                let len = Address::v4_prefix_len(v4.prefix_len());
                Self { family: Family::V4, address, len, rule, net }
            }
            IpNet::V6(v6) => Self { family: Family::V6, address, len: v6.prefix_len(), rule, net },
        }
    }

    fn holds(&self, other: &Self) -> bool {
        self.len <= other.len && self.covers(other.address)
    }

    fn covers(&self, address: Address) -> bool {
        let bits = |address: Address| u128::from_be_bytes(address.0);
        let behind = 128 - u32::from(self.len.min(128));
        let differ = bits(self.address) ^ bits(address);
        differ.checked_shr(behind).unwrap_or(0) == 0
    }
}

// === impl TooLong ===

impl TooLong {
    /// Says it with the agent's name.
    pub(super) fn explain(&self, policy: &Policy) -> Diagnostics {
        let Self { net, rules } = self;
        let message = format!(
            "agent `{}`: {rules} port rules hold for {net}, more than {MAX_PORT_RULES}",
            policy.agent
        );
        let line = policy.location.line as usize;
        Diagnostic::line(&policy.location.file, line, message)
            .hint("join port ranges, or name the ports once in a rule for the wider prefix")
            .into()
    }
}
