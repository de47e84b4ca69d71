//! From policies to the tables the kernel reads: a pure function.

use enforcer_common::{Address, AgentLimits, PortRule};

use crate::policy::{AgentName, CredentialId, Location};

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
