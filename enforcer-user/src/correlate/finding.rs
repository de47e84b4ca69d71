//! What is concluded from events.

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
    /// The newest event's reason, a word of the closed vocabulary.
    pub reason: String,
    /// Events counted, suppressed ones included.
    pub count: u64,
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
        let Evidence { destination, reason, count, .. } = &self.evidence;
        let times = if *count == 1 { "once" } else { &format!("{count} times") };
        let what = match self.trigger {
            Trigger::Denied => "was denied",
            Trigger::RateLimited => "hit its caps",
            Trigger::Quarantined => "was cut off by the kernel",
            Trigger::Tamper => "touched the enforcement",
        };
        match destination {
            Some(to) => format!("{what} {times} ({reason}), last to {} port {}", to.ip, to.port),
            None => format!("{what} {times} ({reason})"),
        }
    }
}
