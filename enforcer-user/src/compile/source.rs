//! The rules a plan is made from: the file's, then the compiler's own.

use ipnet::IpNet;

use crate::compile::{RuleInfo, metadata};
use crate::policy::{CredentialId, Location, Policy, Ports, Rule, Transport};

/// Destinations repeated in a rule's text.
const MAX_SHOWN: usize = 4;

/// One rule with its id being its place in the list.
pub(super) struct CompiledRule {
    pub(super) allow: bool,
    pub(super) to: Vec<IpNet>,
    pub(super) ports: Vec<Ports>,
    credential: Option<CredentialId>,
    location: Option<Location>,
}

/// The policy's rules, and behind them the denial of metadata services.
pub(super) fn with_own(policy: &Policy) -> Vec<CompiledRule> {
    let mut rules: Vec<_> = policy.rules.iter().map(CompiledRule::of_file).collect();
    let to = metadata::denied(policy);
    if !to.is_empty() {
        rules.push(CompiledRule::own_denial(to));
    }
    rules
}

// === impl CompiledRule ===

impl CompiledRule {
    fn of_file(rule: &Rule) -> Self {
        Self {
            allow: rule.allow,
            to: rule.to.clone(),
            ports: rule.ports.clone(),
            credential: rule.credential.clone(),
            location: Some(rule.location.clone()),
        }
    }

    fn own_denial(to: Vec<IpNet>) -> Self {
        let ports = vec![Ports { protocol: Transport::Any, low: 0, high: u16::MAX }];
        Self { allow: false, to, ports, credential: None, location: None }
    }

    /// What the rule's id means to people.
    pub(super) fn info(&self) -> RuleInfo {
        RuleInfo {
            allow: self.allow,
            location: self.location.clone(),
            text: self.text(),
            credential: self.credential.clone(),
        }
    }

    fn text(&self) -> String {
        let verb = if self.allow { "allow" } else { "deny" };
        let to = shown(&self.to);
        let ports = shown(&self.ports);
        match self.location {
            Some(_) => format!("{verb} {to} {ports}"),
            None => format!("{verb} {to} {ports} (cloud metadata, unless allowed by address)"),
        }
    }
}

fn shown<T: ToString>(items: &[T]) -> String {
    let mut text: Vec<_> = items.iter().take(MAX_SHOWN).map(T::to_string).collect();
    if let Some(more) = items.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}
