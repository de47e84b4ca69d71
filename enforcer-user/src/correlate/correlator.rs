//! Every agent under watch.

use std::collections::HashMap;

use super::finding::Finding;
use super::watch::Watch;
use crate::events::Event;
use crate::policy::{Credential, CredentialId, Policy};

/// Turns events into findings. Memory is bounded by the policies: one window
/// for each agent and rule, events of agents without a policy are not kept.
#[derive(Clone, Debug, Default)]
pub struct Correlator {
    agents: HashMap<String, Watch>,
}

// === impl Correlator ===

impl Correlator {
    /// Watches the agents of these policies.
    pub fn new(policies: &[Policy], credentials: &[Credential]) -> Self {
        let watch = |policy: &Policy| {
            (policy.agent.as_str().to_owned(), Watch::new(policy, held(policy, credentials)))
        };
        Self { agents: policies.iter().map(watch).collect() }
    }

    /// Puts new policies in force. Windows of rules that stay the same, and
    /// what is known of recent use, are kept; agents without a policy go.
    pub fn update(&mut self, policies: &[Policy], credentials: &[Credential]) {
        let mut old = std::mem::replace(self, Self::new(policies, credentials)).agents;
        for (name, watch) in &mut self.agents {
            if let Some(before) = old.remove(name) {
                watch.inherit(before);
            }
        }
    }

    /// Notes one event. Kernel events only: what the daemon itself concludes
    /// (kernel time 0) never triggers a rule.
    pub fn observe(&mut self, event: &Event) -> Vec<Finding> {
        let watch = event.agent.as_ref().and_then(|agent| self.agents.get_mut(agent));
        watch.map(|watch| watch.observe(event)).unwrap_or_default()
    }

    /// Forgives an agent: its windows are empty afterwards.
    pub fn release(&mut self, agent: &str) {
        if let Some(watch) = self.agents.get_mut(agent) {
            watch.release();
        }
    }
}

/// The credentials the inventory gives to a policy's agent, sorted.
fn held(policy: &Policy, credentials: &[Credential]) -> Vec<CredentialId> {
    let mut held: Vec<_> = credentials
        .iter()
        .filter(|credential| credential.agents.contains(&policy.agent))
        .map(|credential| credential.id.clone())
        .collect();
    held.sort();
    held.dedup();
    held
}
