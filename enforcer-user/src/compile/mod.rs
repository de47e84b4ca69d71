//! From policies to the tables the kernel reads: a pure function.

mod capacity;
mod flatten;
mod limits;
mod list;
mod metadata;
mod source;
mod unix;
#[cfg(test)]
mod tests;

use enforcer_common::{Address, AgentLimits, PortRule};

use crate::config::{Diagnostics, Settings};
use crate::policy::{AgentName, CredentialId, Inventory, Location, Policy};

pub use unix::UnixPrefix;

/// What the kernel is to enforce in one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One entry an agent, by name.
    pub agents: Vec<AgentPlan>,
}

/// One agent's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPlan {
    /// The agent.
    pub agent: AgentName,
    /// Cgroup patterns, relative to the cgroup2 mount.
    pub cgroups: Vec<String>,
    /// Mode, tripwire and caps. `policy_id` is 0: the kernel side assigns it.
    pub limits: AgentLimits,
    /// Each prefix with everything that holds for addresses in it: longer
    /// prefixes repeat what shorter ones say, so one look-up is enough.
    pub prefixes: Vec<Prefix>,
    /// Distinct port rule lists; denies first, then allows by descending
    /// prefix length; at most `MAX_PORT_RULES` each.
    pub lists: Vec<Vec<PortRule>>,
    /// Unix sockets that it may connect and send to.
    pub unix: Vec<UnixPrefix>,
    /// Interfaces that its packets may leave by; empty is any.
    pub interfaces: Vec<String>,
    /// What each rule id means. The compiler's own rules (metadata addresses)
    /// come after the file's.
    pub rules: Vec<RuleInfo>,
}

/// One prefix of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// First address; bits behind `len` are zero.
    pub address: Address,
    /// Length in the common form, 0–128.
    pub len: u8,
    /// Index into [`AgentPlan::lists`].
    pub list: u32,
}

impl Prefix {
    /// How much of `[capacity] prefixes` it takes: an IPv6 prefix longer than /64
    /// twice as much as others.
    pub(crate) fn weight(&self) -> usize {
        if self.len > 64 && !self.address.is_v4() { 2 } else { 1 }
    }
}

/// What a rule id means to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Allow or deny.
    pub allow: bool,
    /// Where it is written; `None` for the compiler's own.
    pub location: Option<Location>,
    /// One line that says what the rule is.
    pub text: String,
    /// The credential its traffic uses.
    pub credential: Option<CredentialId>,
}

/// Compiles every policy.
///
/// # Errors
/// What does not fit the kernel's tables, naming the agent and the numbers.
pub fn compile(inventory: &Inventory, settings: &Settings) -> Result<Plan, Diagnostics> {
    let mut errors = Diagnostics::default();
    let compiled = inventory.policies.iter().map(|policy| agent(policy, settings));
    let mut agents: Vec<_> = compiled.filter_map(|plan| errors.take(plan)).collect();
    agents.sort_by(|a, b| a.agent.cmp(&b.agent));
    let plan = Plan { agents };
    if errors.is_empty() {
        errors.extend(capacity::overruns(&plan, settings));
    }
    errors.or(plan)
}

fn agent(policy: &Policy, settings: &Settings) -> Result<AgentPlan, Diagnostics> {
    let rules = source::with_own(policy);
    let tables = flatten::tables(&rules).map_err(|error| error.explain(policy))?;
    Ok(AgentPlan {
        agent: policy.agent.clone(),
        cgroups: policy.cgroups.clone(),
        limits: limits::limits(policy)?,
        prefixes: tables.prefixes,
        lists: tables.lists,
        unix: unix::prefixes(&policy.process.unix, &settings.agent_dir(policy.agent.as_str())),
        interfaces: policy.process.interfaces.clone(),
        rules: rules.iter().map(source::CompiledRule::info).collect(),
    })
}
