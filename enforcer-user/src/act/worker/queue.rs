//! The order in which findings are worked on.

use std::cmp::{Ordering, Reverse};

use uuid::Uuid;

use crate::correlate::Finding;
use crate::policy::Step;

/// A finding that waits: the most final first, then the oldest.
pub(super) struct Queued(pub(super) Finding);

// === impl Queued ===

impl Queued {
    fn rank(&self) -> (Step, Reverse<u64>, Reverse<Uuid>) {
        (self.0.severity(), Reverse(self.0.ktime_ns), Reverse(self.0.id))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}
