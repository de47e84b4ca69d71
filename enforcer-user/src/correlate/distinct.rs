//! Distinct addresses in a sliding window: fan-out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::window::{Stamp, Tally};

/// The addresses of one rule within the last `within`, each with its newest
/// use. Bounded: it is emptied when `count` of them are reached.
#[derive(Clone, Debug)]
pub(super) struct Distinct {
    count: u64,
    within_ns: u64,
    newest_ns: u64,
    uses: HashMap<IpAddr, u64>,
    by_age: BTreeMap<(u64, IpAddr), Stamp>,
}

// === impl Distinct ===

impl Distinct {
    pub(super) fn new(count: u64, within: Duration) -> Self {
        let within_ns = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        Self { count, within_ns, newest_ns: 0, uses: HashMap::new(), by_age: BTreeMap::new() }
    }

    /// Adds a use; `true` when the rule's count is reached. As in a window, a
    /// late event counts as if it came with the newest.
    pub(super) fn add(&mut self, address: IpAddr, stamp: Stamp) -> bool {
        self.newest_ns = self.newest_ns.max(stamp.ktime_ns);
        if let Some(before) = self.uses.insert(address, self.newest_ns) {
            self.by_age.remove(&(before, address));
        }
        self.by_age.insert((self.newest_ns, address), stamp);
        self.expire();
        self.uses.len() as u64 >= self.count
    }

    /// What it holds now.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            count: self.uses.len() as u64,
            first: self.by_age.values().next().map(|stamp| stamp.time),
            credentials: self.by_age.values().flat_map(|s| s.credentials.clone()).collect(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.uses.clear();
        self.by_age.clear();
    }

    fn expire(&mut self) {
        while let Some(oldest) = self.by_age.first_entry() {
            let (used_ns, address) = *oldest.key();
            if self.newest_ns - used_ns <= self.within_ns {
                break;
            }
            oldest.remove();
            self.uses.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::*;

    fn stamp(ktime_ns: u64) -> Stamp {
        let time = OffsetDateTime::UNIX_EPOCH;
        Stamp { ktime_ns, time, weight: 1, credentials: Vec::new() }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all_uses(
            count in 1_u64..8,
            uses in prop::collection::vec((0_u64..6, 0_u8..12), 1..80),
        ) {
            let mut distinct = Distinct::new(count, Duration::from_nanos(10));
            let (mut all, mut now) = (Vec::new(), 100);
            for (gap, host) in uses {
                now += gap;
                all.push((now, host));
                let late: HashSet<_> =
                    all.iter().filter(|(t, _)| now - t <= 10).map(|(_, host)| host).collect();
                let reached = distinct.add(IpAddr::from([10, 0, 0, host]), stamp(now));
                prop_assert_eq!(reached, late.len() as u64 >= count);
                prop_assert_eq!(distinct.tally().count, late.len() as u64);
                prop_assert_eq!(distinct.by_age.len(), distinct.uses.len());
            }
        }
    }
}
