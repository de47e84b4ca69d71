//! A plan that does not fit is refused whole: half a policy enforces nothing.

use enforcer_common::BANKS;

use crate::compile::{AgentPlan, Plan, Prefix};
use crate::config::{Diagnostic, Settings};

/// Every table that the plan does not fit, beside the generation in force.
pub(super) fn overruns(plan: &Plan, settings: &Settings) -> Vec<Diagnostic> {
    let capacity = settings.capacity;
    let prefixes = |agent: &AgentPlan| agent.prefixes.iter().map(Prefix::weight).sum();
    let port_rules = |agent: &AgentPlan| agent.lists.iter().map(Vec::len).sum();
    [
        agents(plan, capacity.agents),
        overrun(plan, "prefixes", capacity.prefixes, prefixes),
        overrun(plan, "port_rules", capacity.port_rules, port_rules),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn agents(plan: &Plan, capacity: u32) -> Option<Diagnostic> {
    let agents = plan.agents.len();
    (agents > capacity as usize).then(|| {
        let message = format!("{agents} agents do not fit the kernel's table of {capacity}");
        Diagnostic::general(message).hint(format!("set `[capacity] agents = {agents}` or more"))
    })
}

fn overrun(
    plan: &Plan,
    what: &str,
    capacity: u32,
    of: impl Fn(&AgentPlan) -> usize,
) -> Option<Diagnostic> {
    let total: usize = plan.agents.iter().map(&of).sum();
    let needed = total.saturating_mul(BANKS);
    let largest = plan.agents.iter().max_by_key(|agent| of(agent))?;
    (needed > capacity as usize).then(|| {
        let message = format!(
            "{total} {what} in two generations need {needed} entries, more than {capacity}; most has agent `{}` with {}",
            largest.agent,
            of(largest)
        );
        Diagnostic::general(message).hint(format!("set `[capacity] {what} = {needed}` or more"))
    })
}
