//! A cap that refuses for longer than a time.

use std::time::Duration;

use time::OffsetDateTime;

use super::moment::Moment;
use super::window::Tally;

/// Without a refusal for so long the agent keeps to its cap again. Longer than
/// a sender waits that tries again once a second.
const REST_NS: u64 = 3_000_000_000;

/// Refusals without a rest.
#[derive(Clone, Debug)]
pub(super) struct Lasting {
    lasting_ns: u64,
    run: Option<Run>,
}

#[derive(Clone, Debug)]
struct Run {
    began_ns: u64,
    began: OffsetDateTime,
    last_ns: u64,
    refusals: u64,
}

// === impl Lasting ===

impl Lasting {
    pub(super) fn new(lasting: Duration) -> Self {
        let lasting_ns = u64::try_from(lasting.as_nanos()).unwrap_or(u64::MAX);
        Self { lasting_ns, run: None }
    }

    /// Notes a refusal; `true` when it has been going on for too long.
    pub(super) fn add(&mut self, moment: &Moment) -> bool {
        let now_ns = moment.ktime_ns;
        let run = match &mut self.run {
            Some(run) if now_ns.saturating_sub(run.last_ns) <= REST_NS => run,
            ended => ended.insert(Run {
                began_ns: now_ns,
                began: moment.time,
                last_ns: now_ns,
                refusals: 0,
            }),
        };
        run.last_ns = run.last_ns.max(now_ns);
        run.refusals = run.refusals.saturating_add(moment.weight);
        run.last_ns - run.began_ns >= self.lasting_ns
    }

    /// What has been going on.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            count: self.run.as_ref().map_or(0, |run| run.refusals),
            first: self.run.as_ref().map(|run| run.began),
            credentials: Default::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.run = None;
    }
}
