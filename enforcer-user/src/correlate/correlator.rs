//! Every agent under watch.

use std::collections::HashMap;

use super::finding::Finding;
use super::memory::Memory;
use super::sample::Sample;
use super::watch::Watch;
use crate::events::Event;
use crate::policy::{AgentName, Credential, CredentialId, Policy};

/// Turns events into findings. Memory is bounded by the policies: one window
/// for each agent and rule, events of agents without a policy are not kept.
#[derive(Clone, Debug, Default)]
pub struct Correlator {
    agents: HashMap<String, Watch>,
    /// What an earlier one knew, until policies say whose it is.
    remembered: Memory,
}

// === impl Correlator ===

impl Correlator {
    /// Watches the agents of these policies.
    pub fn new(policies: &[Policy], credentials: &[Credential]) -> Self {
        let watch = |policy: &Policy| {
            (policy.agent.as_str().to_owned(), Watch::new(policy, held(policy, credentials)))
        };
        let agents = policies.iter().map(watch).collect();
        Self { agents, remembered: Memory::default() }
    }

    /// Puts new policies in force. Windows of rules that stay the same, and
    /// what is known of recent use, are kept; agents without a policy go.
    pub fn update(&mut self, policies: &[Policy], credentials: &[Credential]) {
        let mut old = std::mem::replace(self, Self::new(policies, credentials));
        for (name, watch) in &mut self.agents {
            if let Some(before) = old.agents.remove(name) {
                watch.inherit(before);
            } else if let Some(past) = old.remembered.agents.remove(name) {
                watch.remember(past);
            }
        }
    }

    /// Notes one event. Kernel events only: what the daemon itself concludes
    /// (kernel time 0) never triggers a rule.
    pub fn observe(&mut self, event: &Event) -> Vec<Finding> {
        let watch = event.agent.as_ref().and_then(|agent| self.agents.get_mut(agent));
        watch.map(|watch| watch.observe(event)).unwrap_or_default()
    }

    /// Agents whose rules ask for samples of their counters.
    pub fn sampled(&self) -> Vec<AgentName> {
        let asks = self.agents.values().filter(|watch| watch.is_sampled());
        asks.map(|watch| watch.agent().clone()).collect()
    }

    /// Notes what an agent did since its last sample.
    pub fn sample(&mut self, agent: &AgentName, sample: &Sample) -> Vec<Finding> {
        let watch = self.agents.get_mut(agent.as_str());
        watch.map(|watch| watch.sample(sample)).unwrap_or_default()
    }

    /// What the next daemon should know of the past.
    pub fn memory(&self) -> Memory {
        let pasts = self.agents.iter().map(|(name, watch)| (name.clone(), watch.past()));
        let mut memory = self.remembered.clone();
        memory.agents.extend(pasts.filter(|(_, past)| !past.is_empty()));
        memory
    }

    /// Takes over what an earlier one knew. The next policies say whose it is;
    /// that of agents without one is forgotten then.
    pub fn remember(&mut self, memory: Memory) {
        self.remembered = memory;
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
