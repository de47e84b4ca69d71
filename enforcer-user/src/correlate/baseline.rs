//! An agent's usual, and how far off it is now.
//!
//! Time is cut into parts of one length. The last [`PAST`] parts in which anything
//! happened say what is usual: their median, and how far from it they usually
//! are (median absolute deviation, times 1.4826, which for normally distributed
//! values is the standard deviation; Rousseeuw and Croux, JASA 88, 1993). Both
//! bear half of the parts being odd. Against false alarms:
//! * nothing is said before [`LEAST`] parts are known;
//! * the deviation is never taken for less than a tenth of the median, so that
//!   very regular traffic may grow by four fifths at the default score, nor for less than a
//!   floor, so that an agent that does next to nothing may do something;
//! * parts of rest are left out: an agent that works once an hour is compared
//!   with its working, not with its sleep;
//! * a part that was far off is learnt as [`LEARNT`] deviations and no more: one
//!   theft does not make the next one usual, but a lasting change does, in time.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::policy::Sampled;

/// Parts that are remembered.
const PAST: usize = 256;
/// Parts that must be known.
const LEAST: usize = 30;
/// As this many deviations a part is learnt at most.
const LEARNT: f64 = 4.0;
/// Makes the median absolute deviation comparable with a standard deviation.
const NORMAL: f64 = 1.4826;

/// What is usual of one thing of one agent. Outlives the daemon, but for the
/// part that is not over yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) of: String,
    part_ns: u64,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    past: VecDeque<u64>,
    #[serde(skip)]
    part: Option<Part>,
    #[serde(skip)]
    usual: Option<Usual>,
}

/// The part that is not over.
#[derive(Clone, Copy, Debug)]
struct Part {
    began_ns: u64,
    value: u64,
}

/// Median and deviation of the past.
#[derive(Clone, Copy, Debug)]
struct Usual {
    median: f64,
    deviation: f64,
}

/// How the part that is not over compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// Tells one part from another.
    pub(super) part: u64,
    pub(super) value: u64,
    /// The median of the past.
    pub(super) usual: u64,
    /// Deviations above the median.
    pub(super) score: f64,
}

// === impl Baseline ===

impl Baseline {
    pub(super) fn new(of: Sampled, part: Duration, since: OffsetDateTime) -> Self {
        let part_ns = u64::try_from(part.as_nanos()).unwrap_or(u64::MAX);
        let (of, past) = (of.as_str().to_owned(), VecDeque::new());
        Self { of, part_ns, since, past, part: None, usual: None }
    }

    /// Whether it is about this.
    pub(super) fn is(&self, of: Sampled, part: Duration) -> bool {
        self.of == of.as_str() && u128::from(self.part_ns) == part.as_nanos()
    }

    /// How long it has been learnt; zero where the clock was set back.
    pub(super) fn learnt(&self, now: OffsetDateTime) -> Duration {
        Duration::try_from(now - self.since).unwrap_or_default()
    }

    /// Adds what came since the last call; `None` while too little is known.
    pub(super) fn add(&mut self, of: Sampled, ktime_ns: u64, more: u64) -> Option<Reading> {
        let part = match self.part {
            Some(part) if ktime_ns.saturating_sub(part.began_ns) < self.part_ns => part,
            over => {
                over.iter().for_each(|part| self.learn(part.value, of));
                Part { began_ns: ktime_ns, value: 0 }
            }
        };
        let part = Part { value: part.value.saturating_add(more), ..part };
        self.part = Some(part);
        let usual = self.usual(of)?;
        Some(Reading {
            part: part.began_ns,
            value: part.value,
            usual: whole(usual.median),
            score: (real(part.value) - usual.median) / usual.deviation,
        })
    }

    fn learn(&mut self, value: u64, of: Sampled) {
        if value == 0 {
            return;
        }
        let most = self.usual(of).map(|usual| usual.median + LEARNT * usual.deviation);
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(most.map_or(value, |most| value.min(whole(most))));
        self.usual = None;
    }

    /// Worked out once for each part.
    fn usual(&mut self, of: Sampled) -> Option<Usual> {
        if self.usual.is_none() && self.past.len() >= LEAST {
            let median = median(self.past.iter().map(|&value| real(value)).collect());
            let off = median_off(&self.past, median) * NORMAL;
            let deviation = off.max(median / 10.0).max(floor(of));
            self.usual = Some(Usual { median, deviation });
        }
        self.usual
    }
}

fn median_off(past: &VecDeque<u64>, median_of_past: f64) -> f64 {
    median(past.iter().map(|&value| (real(value) - median_of_past).abs()).collect())
}

/// Of at least one value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The least deviation that is worth a word.
fn floor(of: Sampled) -> f64 {
    match of {
        Sampled::Bytes => 65_536.0,
        Sampled::Packets => 64.0,
        Sampled::Connections => 4.0,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, and a deviation is no exact thing"
)]
fn real(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a median of counts is not negative, and a cast saturates"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
