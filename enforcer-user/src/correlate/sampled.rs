//! Rules over the kernel's counters, which are looked at once a second.

use std::time::Duration;

use time::OffsetDateTime;

use super::baseline::{Baseline, Reading};
use super::finding::Finding;
use super::moment::Moment;
use super::rule::Rule;
use super::sample::Sample;
use super::watch::Watch;
use crate::policy::{Sampled, Trigger};

// === impl Watch ===

impl Watch {
    /// What it did since the last look at its counters.
    pub(super) fn sample(&mut self, sample: &Sample) -> Vec<Finding> {
        let mut found = Vec::new();
        let bytes = moment(sample, sample.bytes, "bytes");
        let over: Vec<_> = self.rules.iter_mut().filter_map(|rule| rule.weigh(&bytes)).collect();
        found.extend(over.into_iter().map(|rule| self.finding(&bytes, rule, None, false)));
        for i in 0..self.rules.len() {
            let Trigger::Spike(of) = self.rules[i].response.event else { continue };
            let mut moment = moment(sample, sample.of(of), "spike");
            let Some(reading) = self.reading(i, of, sample, &mut moment) else { continue };
            if let Some(rule) = self.rules[i].compare(reading, &moment) {
                found.push(self.finding(&moment, rule, Some(reading.usual), false));
            }
        }
        found
    }

    /// Whether any of its rules asks for the counters.
    pub(super) fn is_sampled(&self) -> bool {
        let asks = |rule: &Rule| matches!(rule.response.event, Trigger::Bytes | Trigger::Spike(_));
        self.rules.iter().any(asks)
    }

    /// How the sample compares. Rules that compare alike share a baseline, to
    /// which a sample is added once.
    fn reading(
        &mut self,
        rule: usize,
        of: Sampled,
        sample: &Sample,
        moment: &mut Moment,
    ) -> Option<Reading> {
        let within = self.rules[rule].response.within;
        let is_first = !self.rules[..rule].iter().any(|before| {
            before.response.event == Trigger::Spike(of) && before.response.within == within
        });
        let more = if is_first { sample.of(of) } else { 0 };
        let baseline = baseline(&mut self.past.baselines, of, within, sample.time);
        moment.learnt = baseline.learnt(sample.time);
        baseline.add(of, sample.ktime_ns, more)
    }
}

fn moment(sample: &Sample, weight: u64, reason: &str) -> Moment {
    Moment {
        ktime_ns: sample.ktime_ns,
        time: sample.time,
        weight,
        destination: None,
        reason: reason.to_owned(),
        credentials: Vec::new(),
        learnt: Default::default(),
    }
}

fn baseline(
    known: &mut Vec<Baseline>,
    of: Sampled,
    part: Duration,
    since: OffsetDateTime,
) -> &mut Baseline {
    let at = known.iter().position(|baseline| baseline.is(of, part)).unwrap_or_else(|| {
        known.push(Baseline::new(of, part, since));
        known.len() - 1
    });
    &mut known[at]
}
