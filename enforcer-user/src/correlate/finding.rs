//! What is concluded from events.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::events::Destination;
use crate::policy::{AgentName, CredentialId, Step, Trigger};

/// A broken `[[respond]]` rule: what happened, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its id (UUID version 7, so ids sort by time).
    pub id: Uuid,
    /// Who broke the rule.
    pub agent: AgentName,
    /// What the rule counts.
    pub trigger: Trigger,
    /// What was seen.
    pub evidence: Evidence,
    /// It answers the kernel's own quarantine, which was set at `ktime_ns`.
    pub alarm: bool,
    /// `CLOCK_MONOTONIC` of the newest event, nanoseconds.
    pub ktime_ns: u64,
    /// Credentials concerned, sorted, each once.
    pub credentials: Vec<CredentialId>,
    /// What is to be done, in the order of the ladder, each step once.
    pub steps: Vec<Step>,
}

/// What a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where the newest event's flow went; `None` where it was unreadable.
    pub destination: Option<Destination>,
    /// The newest event's reason, a word of the closed vocabulary; for what is
    /// read from counters the rule's own event.
    pub reason: String,
    /// Events counted, suppressed ones included; distinct addresses; bytes, or
    /// whatever the rule compares.
    pub count: u64,
    /// What is usual in as much time, where the rule compares.
    pub usual: Option<u64>,
    /// The rule's time.
    pub within: Duration,
    /// Time of the oldest event counted.
    pub first: OffsetDateTime,
    /// Time of the newest event.
    pub last: OffsetDateTime,
}

// === impl Finding ===

impl Finding {
    /// The most final step asked for; findings are worked on in this order.
    pub fn severity(&self) -> Step {
        self.steps.iter().copied().max().unwrap_or(Step::Alert)
    }

    /// One line that says what happened, for people.
    pub fn summary(&self) -> String {
        let Evidence { destination, reason, .. } = &self.evidence;
        let what = self.what();
        match destination {
            Some(to) => format!("{what} ({reason}), last to {} port {}", to.ip, to.port),
            None => format!("{what} ({reason})"),
        }
    }

    fn what(&self) -> String {
        let Evidence { count, usual, within, .. } = &self.evidence;
        let times = if *count == 1 { "once" } else { &format!("{count} times") };
        let within = humantime::format_duration(*within);
        match self.trigger {
            Trigger::Denied => format!("was denied {times}"),
            Trigger::RateLimited => format!("hit its caps {times}"),
            Trigger::Throttled => format!("hit its caps for {within} without a rest"),
            Trigger::Quarantined => format!("was cut off by the kernel {times}"),
            Trigger::Tamper => format!("touched the enforcement {times}"),
            Trigger::Connected => format!("connected {times} in {within}"),
            Trigger::Destinations => format!("connected to {count} addresses in {within}"),
            Trigger::NewDestination => {
                format!("connected to an address for the first time {times}")
            }
            Trigger::Bytes => format!("sent {count} bytes in {within}"),
            Trigger::Spike(of) => {
                let (of, usual) = (of.as_str(), usual.unwrap_or_default());
                format!("sent {count} {of} in {within}, where {usual} are usual")
            }
        }
    }
}
