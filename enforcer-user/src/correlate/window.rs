//! A sliding window over weighted events: exact, in bounded memory.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use time::OffsetDateTime;

use crate::policy::CredentialId;

/// Up to this count a window is exact. A rule with a greater count merges
/// events that are closer than `within / MAX_STAMPS`, onto the earlier one.
pub(super) const MAX_STAMPS: u64 = 16_384;

/// One event as the window remembers it.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pub(super) ktime_ns: u64,
    pub(super) time: OffsetDateTime,
    pub(super) weight: u64,
    pub(super) credentials: Vec<CredentialId>,
}

/// What stood in a window when it was full, or is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first: Option<OffsetDateTime>,
    pub(super) credentials: BTreeSet<CredentialId>,
}

/// The events of one rule within the last `within`.
#[derive(Clone, Debug)]
pub(super) struct Window {
    count: u64,
    within_ns: u64,
    grain_ns: u64,
    newest_ns: u64,
    sum: u64,
    stamps: VecDeque<Stamp>,
}

// === impl Window ===

impl Window {
    pub(super) fn new(count: u64, within: Duration) -> Self {
        let within_ns = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        let grain_ns = if count > MAX_STAMPS { within_ns / MAX_STAMPS } else { 0 };
        let count = count.max(1);
        Self { count, within_ns, grain_ns, newest_ns: 0, sum: 0, stamps: VecDeque::new() }
    }

    /// Adds an event; `true` when the rule's count is reached. The per-CPU
    /// parts of a ring may arrive out of order by microseconds: a late event
    /// counts as if it came with the newest.
    pub(super) fn add(&mut self, mut stamp: Stamp) -> bool {
        self.newest_ns = self.newest_ns.max(stamp.ktime_ns);
        stamp.ktime_ns = self.newest_ns;
        self.sum = self.sum.saturating_add(stamp.weight);
        match self.stamps.back_mut() {
            Some(last) if stamp.ktime_ns - last.ktime_ns <= self.grain_ns => last.merge(stamp),
            _ => self.stamps.push_back(stamp),
        }
        self.expire();
        self.sum >= self.count
    }

    /// What the window holds now.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            count: self.sum,
            first: self.stamps.front().map(|stamp| stamp.time),
            credentials: self.stamps.iter().flat_map(|s| s.credentials.clone()).collect(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.stamps.clear();
        self.sum = 0;
    }

    /// Drops what is too old, and what is not needed to reach the count: each
    /// stamp weighs at least 1, so at most `count` of them stay.
    fn expire(&mut self) {
        while let Some(oldest) = self.stamps.front() {
            let late = self.newest_ns - oldest.ktime_ns > self.within_ns;
            let spare = self.sum - oldest.weight >= self.count;
            if !late && !spare {
                break;
            }
            self.sum -= oldest.weight;
            self.stamps.pop_front();
        }
    }
}

// === impl Stamp ===

impl Stamp {
    fn merge(&mut self, other: Self) {
        self.weight = self.weight.saturating_add(other.weight);
        for credential in other.credentials {
            if !self.credentials.contains(&credential) {
                self.credentials.push(credential);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamp(ktime_ns: u64, weight: u64) -> Stamp {
        let time = OffsetDateTime::UNIX_EPOCH;
        Stamp { ktime_ns, time, weight, credentials: Vec::new() }
    }

    fn window(count: u64, ns: u64) -> Window {
        Window::new(count, Duration::from_nanos(ns))
    }

    #[test]
    fn the_edge_of_the_window_is_inside() {
        let mut window = window(2, 10);
        assert!(!window.add(stamp(5, 1)));
        assert!(window.add(stamp(15, 1)));
    }

    #[test]
    fn one_past_the_edge_is_outside() {
        let mut window = window(2, 10);
        assert!(!window.add(stamp(5, 1)));
        assert!(!window.add(stamp(16, 1)));
    }

    #[test]
    fn suppressed_events_weigh_as_much_as_seen_ones() {
        assert!(window(5, 10).add(stamp(1, 5)));
    }

    #[test]
    fn a_huge_count_keeps_bounded_memory() {
        let mut window = window(1_000_000, 1_000_000_000);
        for i in 0..200_000 {
            assert!(!window.add(stamp(i * 1_000, 1)));
        }
        assert!(window.stamps.len() as u64 <= MAX_STAMPS + 1, "{}", window.stamps.len());
        assert_eq!(window.tally().count, 200_000);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all_events(
            count in 1_u64..12,
            events in prop::collection::vec((0_u64..8, 1_u64..4), 1..80),
        ) {
            let mut window = window(count, 10);
            let (mut all, mut now) = (Vec::new(), 100);
            for (gap, weight) in events {
                now += gap;
                all.push((now, weight));
                let naive: u64 = all.iter().filter(|(t, _)| now - t <= 10).map(|(_, w)| w).sum();
                prop_assert_eq!(window.add(stamp(now, weight)), naive >= count);
                prop_assert!(window.stamps.len() as u64 <= count);
            }
        }
    }
}
