//! One agent under watch: its rules, their windows, its credentials.

use std::collections::BTreeSet;

use enforcer_common::Reason;
use uuid::Uuid;

use super::finding::{Evidence, Finding};
use super::usage::Usage;
use super::window::{Stamp, Tally, Window};
use crate::events::{Event, EventKind};
use crate::policy::{AgentName, CredentialId, Policy, Response, Step, Trigger};

/// One `[[respond]]` rule and what it counted.
#[derive(Clone, Debug)]
struct Rule {
    response: Response,
    /// The kernel counts this one, and speaks through its alarm.
    in_kernel: bool,
    window: Window,
}

/// One agent.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    agent: AgentName,
    rules: Vec<Rule>,
    held: Vec<CredentialId>,
    usage: Usage,
}

/// What an event means to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Violation,
    /// A violation too: the kernel's tripwire counts it.
    Tampering,
    Refusal,
    Alarm,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(policy: &Policy, held: Vec<CredentialId>) -> Self {
        let tripwire = policy.responses.iter().position(is_tripwire);
        let rule = |(i, response): (usize, &Response)| Rule {
            window: Window::new(response.count, response.within),
            in_kernel: tripwire == Some(i),
            response: response.clone(),
        };
        let rules = policy.responses.iter().enumerate().map(rule).collect();
        Self { agent: policy.agent.clone(), rules, held, usage: Usage::default() }
    }

    /// Takes over what `old` knows: recent use, and the windows of rules that
    /// say the same as before, wherever they stand now.
    pub(super) fn inherit(&mut self, old: Self) {
        self.usage = old.usage;
        self.usage.keep(&self.held);
        let mut old = old.rules;
        for rule in &mut self.rules {
            if let Some(i) = old.iter().position(|o| rule.counts_like(o)) {
                rule.window = old.swap_remove(i).window;
            }
        }
    }

    pub(super) fn observe(&mut self, event: &Event) -> Vec<Finding> {
        if event.kind == EventKind::Connected {
            for credential in self.known(&event.credentials) {
                self.usage.note(credential, event.ktime_ns);
            }
        }
        let Some(sign) = sign(event) else { return Vec::new() };
        let stamp = self.stamp(event);
        let fired: Vec<_> =
            self.rules.iter_mut().filter_map(|rule| rule.note(sign, &stamp)).collect();
        fired.into_iter().map(|(response, tally)| self.finding(event, &response, tally)).collect()
    }

    pub(super) fn release(&mut self) {
        self.rules.iter_mut().for_each(|rule| rule.window.clear());
    }

    fn stamp(&self, event: &Event) -> Stamp {
        Stamp {
            ktime_ns: event.ktime_ns,
            time: event.time,
            weight: 1 + u64::from(event.suppressed),
            credentials: self.known(&event.credentials),
        }
    }

    /// Of these ids, the ones the inventory gives to this agent.
    fn known(&self, ids: &[String]) -> Vec<CredentialId> {
        self.held.iter().filter(|held| ids.iter().any(|id| id == held.as_str())).cloned().collect()
    }

    fn finding(&self, event: &Event, response: &Response, tally: Tally) -> Finding {
        let steps: BTreeSet<Step> = response.actions.iter().copied().collect();
        Finding {
            id: Uuid::now_v7(),
            agent: self.agent.clone(),
            trigger: response.event,
            evidence: Evidence {
                destination: event.destination.clone(),
                reason: event.reason.clone().unwrap_or_default(),
                count: tally.count,
                first: tally.first.unwrap_or(event.time),
                last: event.time,
            },
            alarm: sign(event) == Some(Sign::Alarm),
            ktime_ns: event.ktime_ns,
            credentials: self.concerned(event, tally),
            steps: steps.into_iter().collect(),
        }
    }

    /// Those of the rules broken, else those used lately, else all.
    fn concerned(&self, event: &Event, tally: Tally) -> Vec<CredentialId> {
        let mut broken = tally.credentials;
        broken.extend(self.known(&event.credentials));
        if !broken.is_empty() {
            return broken.into_iter().collect();
        }
        let lately = self.usage.lately(event.ktime_ns);
        if lately.is_empty() { self.held.clone() } else { lately }
    }
}

// === impl Rule ===

impl Rule {
    /// Notes the event; what it rests on when the rule is broken by it.
    fn note(&mut self, sign: Sign, stamp: &Stamp) -> Option<(Response, Tally)> {
        let counted = match (self.response.event, sign) {
            (Trigger::Denied, Sign::Violation | Sign::Tampering)
            | (Trigger::Tamper, Sign::Tampering)
            | (Trigger::RateLimited, Sign::Refusal)
            | (Trigger::Quarantined, Sign::Alarm) => self.window.add(stamp.clone()),
            (Trigger::Denied, Sign::Alarm) if self.in_kernel => return Some(self.by_alarm()),
            _ => return None,
        };
        // The kernel's own count decides for its rule: ours is evidence only.
        if !counted || self.in_kernel {
            return None;
        }
        let tally = self.window.tally();
        self.window.clear();
        Some((self.response.clone(), tally))
    }

    /// The alarm may overtake the records of the denials that led to it, so
    /// the rule's own count is the least that the kernel saw.
    fn by_alarm(&mut self) -> (Response, Tally) {
        let mut tally = self.window.tally();
        tally.count = tally.count.max(u64::from(self.response.count));
        self.window.clear();
        (self.response.clone(), tally)
    }

    fn counts_like(&self, other: &Self) -> bool {
        let key = |r: &Response| (r.event, r.count, r.within);
        key(&self.response) == key(&other.response)
    }
}

/// The rule the kernel's tripwire covers: the first that answers denials with
/// quarantine.
fn is_tripwire(response: &Response) -> bool {
    response.event == Trigger::Denied && response.actions.contains(&Step::Quarantine)
}

/// What the event means; `None` when no rule counts it: allowed traffic,
/// shadows of audit mode, denials because of the quarantine itself, the
/// self-check, and quarantines that the daemon made (they have no kernel time).
fn sign(event: &Event) -> Option<Sign> {
    let violation =
        || event.reason.as_deref().and_then(Reason::from_word).is_some_and(Reason::is_violation);
    match event.kind {
        EventKind::Denied => violation().then_some(Sign::Violation),
        EventKind::Tamper => violation().then_some(Sign::Tampering),
        EventKind::RateLimited => Some(Sign::Refusal),
        EventKind::Quarantined => (event.ktime_ns != 0).then_some(Sign::Alarm),
        EventKind::WouldDeny
        | EventKind::Connected
        | EventKind::Disconnected
        | EventKind::Adopted
        | EventKind::Released
        | EventKind::Revocation
        | EventKind::Policy
        | EventKind::Lost
        | EventKind::Daemon => None,
    }
}
