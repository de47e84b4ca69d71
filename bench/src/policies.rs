//! Policies as a user writes them, through the product's own reader and compiler.

use std::fmt::Write;

use anyhow::{Context, Error, Result, anyhow};
use enforcer_common::BANKS;
use enforcer_user::compile::{Plan, compile};
use enforcer_user::config::{Diagnostics, Settings};
use enforcer_user::policy::{self, AgentName, Inventory};
use ipnet::IpNet;

use crate::instance::Room;
use crate::place::AGENT;
use crate::prefixes::{PEER_NET_V4, PEER_NET_V6};

/// UDP port of everything that is sent.
pub const PORT: u16 = 9999;
/// TCP port where connections are made and given up.
pub const CONNECT_PORT: u16 = 8000;
/// TCP port that takes all.
pub const BULK_PORT: u16 = 8001;

/// Caps far above what one processor sends: they are charged and never refuse.
const CAPS: &str = "\n[limits]\npackets = { rate = \"100000000/s\", burst = 100000000 }\n\
                    bytes = { rate = \"1000GB/s\" }\n";

/// Room for a policy of so many prefixes, the generation before it included. Long
/// ones of IPv6 count twice.
pub fn room(agents: u32, prefixes: u32) -> Room {
    let banks = u32::try_from(BANKS).unwrap_or(2);
    // The wire's own, and the metadata addresses that the compiler denies.
    let each = agents.saturating_mul(16);
    let prefixes = prefixes.saturating_add(each).saturating_mul(2 * banks);
    Room { agents, prefixes, port_rules: each.saturating_mul(banks).max(1 << 17) }
}

/// A policy that allows these, and says more.
fn text(nets: &[IpNet], more: &str) -> String {
    let mut text = format!("version = 1\nagent = \"{AGENT}\"\n[[allow]]\nto = [");
    for net in nets {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "\"{net}\", ");
    }
    let ports = format!("\"udp/{PORT}\", \"tcp/{CONNECT_PORT}-{BULK_PORT}\", \"icmp\"");
    let peers = format!("\"{PEER_NET_V4}\", \"{PEER_NET_V6}\"]\nports = [{ports}]\n");
    text + &peers + more
}

/// The plan of one agent that may send to these prefixes.
///
/// # Errors
/// The product's own words on why it refuses.
pub fn plan(settings: &Settings, nets: &[IpNet], caps: bool) -> Result<Plan> {
    compiled(&read(settings, nets, if caps { CAPS } else { "" })?, settings)
}

/// The plan of one agent that may send to its peer only, of whom the policy says more.
///
/// # Errors
/// As [`plan`].
pub fn plan_with(settings: &Settings, more: &str) -> Result<Plan> {
    compiled(&read(settings, &[], more)?, settings)
}

/// The plan of agents with these names, each with a policy of its own.
///
/// # Errors
/// As [`plan`].
pub fn plan_of_many(settings: &Settings, names: &[String], nets: &[IpNet]) -> Result<Plan> {
    let mut inventory = read(settings, nets, CAPS)?;
    let pattern = inventory.policies.pop().context("one policy was read")?;
    for name in names {
        let agent = AgentName::parse(name).map_err(|_| anyhow!("{name} is no name"))?;
        inventory.policies.push(policy::Policy { agent, ..pattern.clone() });
    }
    compiled(&inventory, settings)
}

fn read(settings: &Settings, nets: &[IpNet], more: &str) -> Result<Inventory> {
    policy::parse(&text(nets, more), None, settings).map_err(|errors| refused(&errors))
}

fn compiled(inventory: &Inventory, settings: &Settings) -> Result<Plan> {
    compile(inventory, settings).map_err(|errors| refused(&errors))
}

/// The first of the product's complaints, in one line.
pub fn refused(errors: &Diagnostics) -> Error {
    let first = errors.iter().next().map(|error| error.message.as_str());
    anyhow!("{}", first.unwrap_or("refused without a word"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefixes::{Lengths, prefixes};

    #[test]
    fn policies_of_the_bench_are_valid_and_fit_their_room() {
        let mut settings = Settings::default();
        for (count, lengths) in [(10, Lengths::Three), (1_000, Lengths::TwentyFive)] {
            let room = room(1, count);
            settings.capacity.prefixes = room.prefixes;
            let nets = prefixes(count, lengths);
            let plan = plan(&settings, &nets, true).expect("valid");
            assert!(plan.agents[0].prefixes.len() >= count as usize);
            assert!(!plan.agents[0].limits.packets.is_none(), "packets are capped");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_in_one_line() {
        let settings = Settings::default();
        let nets = prefixes(100_000, Lengths::Three);
        let error = plan(&settings, &nets, false).expect_err("too many").to_string();
        assert!(error.contains("more than 65536") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn each_of_many_agents_has_the_policy() {
        let settings = Settings::default();
        let names: Vec<String> = (0..100).map(|n| format!("a{n}")).collect();
        let nets = prefixes(10, Lengths::Three);
        let plan = plan_of_many(&settings, &names, &nets).expect("valid");
        assert_eq!(plan.agents.len(), 100);
        assert!(plan.agents.iter().all(|agent| agent.prefixes.len() >= 10));
    }
}
