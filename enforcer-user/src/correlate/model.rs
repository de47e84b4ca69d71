use proptest::prelude::*;

use super::fixture::*;
use crate::events::{Event, EventKind};
use crate::policy::Trigger;

proptest! {
    /// The naive model: a list of all violations, emptied by each finding.
    #[test]
    fn findings_agree_with_a_list_of_all_events(
        count in 1_u64..6,
        events in prop::collection::vec((0_u64..6, 0_u32..3, 0_u8..4), 1..60),
    ) {
        let mut correlator = watching(vec![respond(Trigger::Denied, count, REVOKE)]);
        let (mut list, mut now) = (Vec::new(), 1);
        for (gap, suppressed, what) in events {
            now += gap;
            let mut event = Event { suppressed, ..denied(now) };
            match what {
                0 => event.kind = EventKind::RateLimited,
                1 => { correlator.release("a1"); list.clear(); continue }
                _ => list.push((now, 1 + u64::from(suppressed))),
            }
            let sum: u64 = list.iter().filter(|(t, _)| now - t <= 10).map(|(_, w)| w).sum();
            let due = what > 1 && sum >= count;
            prop_assert_eq!(!correlator.observe(&event).is_empty(), due);
            if due { list.clear(); }
        }
    }
}
