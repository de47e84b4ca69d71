//! What was lost on its way, told at most once a second: how many, and why.

use std::sync::atomic::Ordering;

use super::core::Core;
use crate::events::{Event, EventKind};

/// Totals of what was lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// The ring was full.
    pub(super) ring_full: u64,
    /// The agent's event budget was spent.
    pub(super) budget: u64,
    /// The bytes were no record.
    pub(super) malformed: u64,
    /// A listener was too slow.
    pub(super) subscriber: u64,
    /// The audit trail did not take it.
    pub(super) audit: u64,
}

// === impl Losses ===

impl Losses {
    /// Totals since the maps exist (kernel) and since the daemon runs (rest).
    pub(super) fn now(core: &Core) -> Result<Self, String> {
        let stats = core.kernel.record_stats().map_err(|e| e.to_string())?;
        Ok(Self {
            ring_full: stats.iter().map(|(_, s)| s.lost).sum(),
            budget: stats.iter().map(|(_, s)| s.suppressed).sum(),
            malformed: core.malformed.load(Ordering::Relaxed),
            subscriber: core.hub.skipped(),
            audit: core.audit.lost(),
        })
    }

    /// Each cause's word and total.
    pub(super) fn by_cause(self) -> [(&'static str, u64); 5] {
        [
            ("ring-full", self.ring_full),
            ("budget", self.budget),
            ("malformed", self.malformed),
            ("subscriber", self.subscriber),
            ("audit", self.audit),
        ]
    }

    /// The event that tells what was lost since `before`; `None` when nothing.
    pub(super) fn since(self, before: Self) -> Option<Event> {
        let parts: Vec<_> = self
            .by_cause()
            .into_iter()
            .zip(before.by_cause())
            .filter(|((_, now), (_, then))| now > then)
            .map(|((cause, now), (_, then))| format!("{} ({cause})", now - then))
            .collect();
        (!parts.is_empty())
            .then(|| Event::now(EventKind::Lost, format!("events lost: {}", parts.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_with_number_and_cause() {
        let before = Losses { ring_full: 3, budget: 10, ..Losses::default() };
        let now = Losses { ring_full: 5, budget: 17, ..before };
        let event = now.since(before).expect("something was lost");
        assert_eq!(event.kind, EventKind::Lost);
        assert_eq!(event.message.as_deref(), Some("events lost: 2 (ring-full), 7 (budget)"));
        assert_eq!(now.since(now), None);
    }

    #[test]
    fn counters_that_restart_are_no_loss() {
        let before = Losses { ring_full: 3, ..Losses::default() };
        assert_eq!(Losses::default().since(before), None);
    }
}
