//! The policy semantics, written once: BPF maps in the kernel, `HashMap`s in
//! tests, system calls in `explain`.

use crate::address::Address;
use crate::cap::Cap;
use crate::flow::{CANARY_PORT_PACKET, Flow, Protocol};
use crate::layout::{AgentLimits, MAX_PORT_RULES, PortList, PortRule};
use crate::record::NO_RULE;
use crate::vocabulary::{Hook, Reason, Verdict};

/// Which of an agent's caps is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// Packets on the wire.
    Packets,
    /// Bytes at layer 3.
    Bytes,
    /// New TCP connections.
    Connections,
}

/// What `decide` asks. A missing entry is `None`, and `None` denies.
pub trait PolicyTables {
    /// The agent's policy in the generation in force.
    fn limits(&self, slot: u32) -> Option<&AgentLimits>;
    /// Whether the agent is quarantined; a missing state is.
    fn quarantined(&self, slot: u32) -> bool;
    /// The port rules of the policy's longest prefix that contains the address.
    fn port_list(&self, limits: &AgentLimits, address: &Address) -> Option<PortList>;
    /// One port rule.
    fn port_rule(&self, index: u32) -> Option<PortRule>;
    /// The first rule of a list that matches. The kernel has its own way: the
    /// verifier would follow each turn of this loop to the program's end.
    fn first_match(&self, list: PortList, flow: &Flow) -> Found {
        for i in 0..list.count.min(MAX_PORT_RULES) {
            let Some(rule) = self.port_rule(list.first + i) else {
                return Found { reason: Reason::Internal, rule: NO_RULE };
            };
            if rule.matches(flow) {
                return Found { reason: rule.reason(), rule: rule.rule };
            }
        }
        Found::NOTHING
    }
    /// Whether the policy names this interface; a missing entry does not.
    fn interface(&self, policy_id: u32, index: u32) -> bool;
    /// Charges `units`; `false` refuses and charges nothing.
    fn charge(&self, slot: u32, which: Charge, cap: &Cap, units: u64) -> bool;
}

/// What a list of port rules says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// [`Reason::Rule`], [`Reason::DenyRule`], [`Reason::NoPort`], or
    /// [`Reason::Internal`] for a list that names what is not there.
    pub reason: Reason,
    /// The rule that matched, or [`NO_RULE`].
    pub rule: u32,
}

impl Found {
    /// No rule of the list matches.
    pub const NOTHING: Self = Self { reason: Reason::NoPort, rule: NO_RULE };
}

/// A verdict with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that is not returned to the kernel enforces nothing"]
pub struct Decision {
    /// What the kernel is told.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, or [`NO_RULE`].
    pub rule: u32,
    /// Audit mode turned a denial into a report.
    pub audited: bool,
}

// === impl Decision ===

impl Decision {
    /// A connection's last word, let through while the daemon ends it.
    pub const RESET: Self =
        Self { verdict: Verdict::Allow, reason: Reason::Reset, rule: NO_RULE, audited: false };

    /// Whether a [`bare_reset`](crate::bare_reset) may pass in spite of this: the
    /// destination is denied, and the packet itself was readable.
    #[inline(always)]
    pub fn yields_to_reset(&self) -> bool {
        let by_policy = matches!(
            self.reason,
            Reason::UnboundAgent
                | Reason::Quarantined
                | Reason::NoRule
                | Reason::NoPort
                | Reason::DenyRule
        );
        by_policy && self.verdict == Verdict::Deny
    }

    /// Whether a rule allows the flow and nothing is reported of it.
    #[inline(always)]
    pub fn is_plain_allow(&self) -> bool {
        self.reason == Reason::Rule && self.verdict == Verdict::Allow && !self.audited
    }

    /// A denial that no rule names.
    #[inline(always)]
    pub const fn deny(reason: Reason) -> Self {
        Self { verdict: Verdict::Deny, reason, rule: NO_RULE, audited: false }
    }

    #[inline(always)]
    const fn by_rule(reason: Reason, rule: u32) -> Self {
        Self { verdict: reason.verdict(), reason, rule, audited: false }
    }

    /// Audit mode reports what the policy would refuse. Quarantine, the
    /// self-check, unassigned cgroups and our own faults still deny.
    #[inline(always)]
    fn in_mode(self, limits: &AgentLimits) -> Self {
        let by_policy = self.reason.is_violation() || self.reason.is_cap();
        if limits.is_audit() && by_policy {
            return Self { verdict: Verdict::Allow, audited: true, ..self };
        }
        self
    }
}

/// Decides one flow of the agent in `slot`. Every early exit is a deny with
/// its own reason. `read` is what [`parse_into`](crate::parse_into) said of
/// `flow`: the two stand apart because the verifier refuses programs that carry
/// an uninitialised flow along.
#[inline(always)]
pub fn decide(
    tables: &impl PolicyTables,
    hook: Hook,
    slot: u32,
    flow: &Flow,
    read: Result<(), Reason>,
) -> Decision {
    let Some(limits) = tables.limits(slot).filter(|l| l.policy_id != 0) else {
        return Decision::deny(Reason::UnboundAgent);
    };
    if read.is_ok() && flow.is_canary() {
        return canary(hook, flow);
    }
    // Quarantine outranks every rule: a cut-off agent keeps no old allow.
    if tables.quarantined(slot) {
        return Decision::deny(Reason::Quarantined);
    }
    if let Err(reason) = read {
        return Decision::deny(reason).in_mode(limits);
    }
    let by_rule = match_rules(tables, limits, flow);
    if by_rule.reason != Reason::Rule {
        return by_rule.in_mode(limits);
    }
    if hook == Hook::Egress && leaves_elsewhere(tables, limits, flow) {
        return Decision::by_rule(Reason::Interface, by_rule.rule).in_mode(limits);
    }
    match exhausted_cap(tables, hook, slot, limits, flow) {
        Some(reason) => Decision::by_rule(reason, by_rule.rule).in_mode(limits),
        None => by_rule,
    }
}

/// Whether a rule allows a packet that was read, of an agent that is not quarantined:
/// only the caps are still to be asked. What [`decide`] says where this does not is
/// another matter.
#[inline(always)]
pub fn is_allowed_by_rule(tables: &impl PolicyTables, slot: u32, flow: &Flow) -> bool {
    let Some(limits) = tables.limits(slot).filter(|l| l.policy_id != 0) else { return false };
    !flow.is_canary()
        && match_rules(tables, limits, flow).reason == Reason::Rule
        && !leaves_elsewhere(tables, limits, flow)
}

/// Whether it leaves by another interface than those that the policy names.
#[inline(always)]
fn leaves_elsewhere(tables: &impl PolicyTables, limits: &AgentLimits, flow: &Flow) -> bool {
    limits.names_interfaces() && !tables.interface(limits.policy_id, flow.interface)
}

/// Decides one packet that reached a socket of the agent in `slot`: it passes
/// where an answer to its sender would. `flow` names the sender. Never a violation:
/// a stranger outside must not be able to trip an agent's wire.
#[inline(always)]
pub fn decide_arrival(
    tables: &impl PolicyTables,
    slot: u32,
    flow: &Flow,
    read: Result<(), Reason>,
) -> Decision {
    let Some(limits) = tables.limits(slot).filter(|l| l.policy_id != 0) else {
        return Decision::deny(Reason::Inbound);
    };
    if tables.quarantined(slot) {
        return Decision::deny(Reason::Inbound);
    }
    if limits.is_audit() {
        return Decision::by_rule(Reason::Rule, NO_RULE);
    }
    if read.is_err() {
        return Decision::deny(Reason::Inbound);
    }
    let by_rule = match_rules(tables, limits, flow);
    if by_rule.reason == Reason::Rule { by_rule } else { Decision::deny(Reason::Inbound) }
}

/// Decides a call that is refused to every agent, for this reason: audit mode
/// reports it and lets it pass.
#[inline(always)]
pub fn decide_refusal(tables: &impl PolicyTables, slot: u32, reason: Reason) -> Decision {
    let Some(limits) = tables.limits(slot).filter(|l| l.policy_id != 0) else {
        return Decision::deny(Reason::UnboundAgent);
    };
    let refused = Decision::deny(reason);
    if limits.is_audit() {
        return Decision { verdict: Verdict::Allow, audited: true, ..refused };
    }
    refused
}

/// Decides a call to a Unix socket; `named` says whether the policy with this
/// id names it.
#[inline(always)]
pub fn decide_unix(
    tables: &impl PolicyTables,
    slot: u32,
    named: impl FnOnce(u32) -> bool,
) -> Decision {
    let policy_id = tables.limits(slot).map_or(0, |limits| limits.policy_id);
    if policy_id != 0 && tables.quarantined(slot) {
        return Decision::deny(Reason::Quarantined);
    }
    if policy_id != 0 && named(policy_id) {
        return Decision::by_rule(Reason::Rule, NO_RULE);
    }
    decide_refusal(tables, slot, Reason::UnixPeer)
}

/// `SOCK_STREAM` and `SOCK_DGRAM` of `include/linux/net.h`.
const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;

/// A socket that is being made, as `socket(2)` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// `SOCK_*`, without flags.
    pub kind: u32,
    /// `IPPROTO_*`, already resolved by the kernel (never 0 for TCP and UDP).
    pub protocol: u32,
}

impl Socket {
    /// Sockets whose packets `cgroup_skb` sees with headers of the kernel's own
    /// making: TCP, UDP and ping. Raw sockets forge them; the rest cannot be
    /// named in a policy.
    #[inline(always)]
    fn is_judgeable(&self) -> bool {
        let protocol = |p: Protocol| self.protocol == u32::from(p.0);
        match self.kind {
            STREAM => protocol(Protocol::TCP),
            DATAGRAM => {
                protocol(Protocol::UDP) || protocol(Protocol::ICMP) || protocol(Protocol::ICMPV6)
            }
            _ => false,
        }
    }
}

/// Decides whether the agent in `slot` may make this socket at all. Where its
/// packets go is decided later, by [`decide`].
#[inline(always)]
pub fn decide_socket(tables: &impl PolicyTables, slot: u32, socket: &Socket) -> Decision {
    if tables.limits(slot).is_none_or(|l| l.policy_id == 0) {
        return Decision::deny(Reason::UnboundAgent);
    }
    if socket.is_judgeable() {
        return Decision::by_rule(Reason::Rule, NO_RULE);
    }
    // Audit mode too: what such a socket sends could be reported by nobody.
    Decision::deny(Reason::SocketType)
}

/// The self-check must reach the hook it tests, and be refused there.
#[inline(always)]
fn canary(hook: Hook, flow: &Flow) -> Decision {
    if hook != Hook::Egress && flow.port == CANARY_PORT_PACKET {
        return Decision { verdict: Verdict::Allow, ..Decision::deny(Reason::Canary) };
    }
    Decision::deny(Reason::Canary)
}

/// First match decides; the compiler has put denies first, then allows by
/// descending prefix length.
#[inline(always)]
fn match_rules(tables: &impl PolicyTables, limits: &AgentLimits, flow: &Flow) -> Decision {
    let Some(list) = tables.port_list(limits, &flow.destination) else {
        return Decision::deny(Reason::NoRule);
    };
    let Found { reason, rule } = tables.first_match(list, flow);
    Decision::by_rule(reason, rule)
}

/// Charges what this hook sees: `connect` the connection, egress the packet.
#[inline(always)]
fn exhausted_cap(
    tables: &impl PolicyTables,
    hook: Hook,
    slot: u32,
    limits: &AgentLimits,
    flow: &Flow,
) -> Option<Reason> {
    let fits = |which, cap: &Cap, units: u32| {
        cap.is_none() || tables.charge(slot, which, cap, u64::from(units))
    };
    if hook.is_connect() {
        let fits =
            flow.protocol != Protocol::TCP || fits(Charge::Connections, &limits.connections, 1);
        return (!fits).then_some(Reason::ConnectionCap);
    }
    if hook != Hook::Egress {
        return None;
    }
    if !fits(Charge::Packets, &limits.packets, flow.packets) {
        return Some(Reason::PacketCap);
    }
    (!fits(Charge::Bytes, &limits.bytes, flow.bytes)).then_some(Reason::ByteCap)
}

impl PortRule {
    /// What a flow that matches is told.
    #[inline(always)]
    pub const fn reason(&self) -> Reason {
        if self.allow == 1 { Reason::Rule } else { Reason::DenyRule }
    }

    /// Whether the flow's protocol and port are in this rule.
    #[inline(always)]
    pub fn matches(&self, flow: &Flow) -> bool {
        let protocol = Protocol(self.protocol);
        (protocol == Protocol::ANY || protocol == flow.protocol)
            && (self.low..=self.high).contains(&flow.port)
    }
}

#[cfg(test)]
mod tests;
