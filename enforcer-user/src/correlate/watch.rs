//! One agent under watch: its rules, what is known of its past, its credentials.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::baseline::Baseline;
use super::familiar::Familiar;
use super::finding::{Evidence, Finding};
use super::memory::Past;
use super::moment::Moment;
use super::rule::Rule;
use super::sign::{Sign, sign};
use super::usage::Usage;
use super::window::Tally;
use crate::events::{Event, EventKind};
use crate::policy::{AgentName, CredentialId, Policy, Response, Step, Trigger};

/// One agent.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    agent: AgentName,
    pub(super) rules: Vec<Rule>,
    held: Vec<CredentialId>,
    usage: Usage,
    pub(super) past: Past,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(policy: &Policy, held: Vec<CredentialId>) -> Self {
        let tripwire = policy.responses.iter().position(Response::fits_the_kernel);
        let rule = |(i, response)| Rule::new(response, tripwire == Some(i));
        let rules = policy.responses.iter().enumerate().map(rule).collect();
        let (usage, past) = (Usage::default(), Past::default());
        Self { agent: policy.agent.clone(), rules, held, usage, past }
    }

    /// Takes over what `old` knows: recent use, the past, and what rules have
    /// counted that say the same as before, wherever they stand now.
    pub(super) fn inherit(&mut self, old: Self) {
        self.usage = old.usage;
        self.usage.keep(&self.held);
        self.past = old.past;
        let mut old = old.rules;
        for rule in &mut self.rules {
            if let Some(i) = old.iter().position(|o| rule.counts_like(o)) {
                rule.inherit(old.swap_remove(i));
            }
        }
    }

    pub(super) fn observe(&mut self, event: &Event) -> Vec<Finding> {
        let mut moment = Moment::of(event, self.known(&event.credentials));
        let Some(mut sign) = sign(event) else { return Vec::new() };
        if let Sign::Connection { first } = &mut sign {
            for credential in &moment.credentials {
                self.usage.note(credential.clone(), event.ktime_ns);
            }
            *first = self.meet(&mut moment);
        }
        let broken: Vec<_> =
            self.rules.iter_mut().filter_map(|rule| rule.note(sign, &moment)).collect();
        let alarm = event.kind == EventKind::Quarantined;
        broken.into_iter().map(|rule| self.finding(&moment, rule, None, alarm)).collect()
    }

    pub(super) fn agent(&self) -> &AgentName {
        &self.agent
    }

    pub(super) fn release(&mut self) {
        self.rules.iter_mut().for_each(Rule::clear);
    }

    /// What is to be remembered: what a rule compares with, and no more.
    pub(super) fn past(&self) -> Past {
        let wanted = |baseline: &&Baseline| self.rules.iter().any(|rule| asks_for(rule, baseline));
        let baselines = self.past.baselines.iter().filter(wanted).cloned().collect();
        let familiar = self.past.familiar.clone().filter(|_| self.learns_destinations());
        Past { familiar, baselines }
    }

    pub(super) fn remember(&mut self, past: Past) {
        self.past = past;
    }

    fn learns_destinations(&self) -> bool {
        self.rules.iter().any(|rule| rule.response.event == Trigger::NewDestination)
    }

    /// Whether the address is new to the agent, and how long that is known.
    fn meet(&mut self, moment: &mut Moment) -> bool {
        let Some(address) = moment.address().filter(|_| self.learns_destinations()) else {
            return false;
        };
        let familiar = self.past.familiar.get_or_insert_with(|| Familiar::new(moment.time));
        moment.learnt = familiar.learnt(moment.time);
        familiar.meet(address)
    }

    /// Of these ids, the ones the inventory gives to this agent.
    fn known(&self, ids: &[String]) -> Vec<CredentialId> {
        self.held.iter().filter(|held| ids.iter().any(|id| id == held.as_str())).cloned().collect()
    }

    pub(super) fn finding(
        &self,
        moment: &Moment,
        (response, tally): (Response, Tally),
        usual: Option<u64>,
        alarm: bool,
    ) -> Finding {
        let steps: BTreeSet<Step> = response.actions.iter().copied().collect();
        Finding {
            id: Uuid::now_v7(),
            agent: self.agent.clone(),
            trigger: response.event,
            evidence: Evidence {
                destination: moment.destination.clone(),
                reason: moment.reason.clone(),
                count: tally.count,
                usual,
                within: response.within,
                first: tally.first.unwrap_or(moment.time),
                last: moment.time,
            },
            alarm,
            ktime_ns: moment.ktime_ns,
            credentials: self.concerned(moment, tally),
            steps: steps.into_iter().collect(),
        }
    }

    /// Those of the rules broken, else those used lately, else all.
    fn concerned(&self, moment: &Moment, tally: Tally) -> Vec<CredentialId> {
        let mut broken = tally.credentials;
        broken.extend(moment.credentials.iter().cloned());
        if !broken.is_empty() {
            return broken.into_iter().collect();
        }
        let lately = self.usage.lately(moment.ktime_ns);
        if lately.is_empty() { self.held.clone() } else { lately }
    }
}

fn asks_for(rule: &Rule, baseline: &Baseline) -> bool {
    let Trigger::Spike(of) = rule.response.event else { return false };
    baseline.is(of, rule.response.within)
}
