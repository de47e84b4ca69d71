//! One `[[respond]]` rule and what it counted.

use super::baseline::Reading;
use super::distinct::Distinct;
use super::lasting::Lasting;
use super::moment::Moment;
use super::sign::Sign;
use super::window::{Tally, Window};
use crate::policy::{Response, Trigger};

/// A rule under way.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) response: Response,
    /// The kernel counts this one, and speaks through its alarm.
    in_kernel: bool,
    meter: Meter,
}

/// How a rule counts.
#[derive(Clone, Debug)]
enum Meter {
    Sum(Window),
    Distinct(Distinct),
    Lasting(Lasting),
    /// The part of time that it last spoke of: once each.
    Spike(Option<u64>),
}

// === impl Rule ===

impl Rule {
    pub(super) fn new(response: &Response, in_kernel: bool) -> Self {
        Self { meter: Meter::new(response), in_kernel, response: response.clone() }
    }

    /// Notes an event; what the rule rests on when the event breaks it.
    pub(super) fn note(&mut self, sign: Sign, moment: &Moment) -> Option<(Response, Tally)> {
        let learnt = moment.learnt >= self.response.learn;
        let counts = match (self.response.event, sign) {
            (Trigger::Denied, Sign::Violation | Sign::Tampering)
            | (Trigger::Tamper, Sign::Tampering)
            | (Trigger::RateLimited | Trigger::Throttled, Sign::Refusal)
            | (Trigger::Quarantined, Sign::Alarm)
            | (Trigger::Connected | Trigger::Destinations, Sign::Connection { .. }) => true,
            (Trigger::NewDestination, Sign::Connection { first }) => first && learnt,
            (Trigger::Denied, Sign::Alarm) if self.in_kernel => return Some(self.by_alarm()),
            _ => false,
        };
        // The kernel's own count decides for its rule: ours is evidence only.
        (counts && self.add(moment) && !self.in_kernel).then(|| self.fire())
    }

    /// Notes bytes that were allowed.
    pub(super) fn weigh(&mut self, moment: &Moment) -> Option<(Response, Tally)> {
        let counts = self.response.event == Trigger::Bytes && moment.weight > 0;
        (counts && self.add(moment)).then(|| self.fire())
    }

    /// Compares with the usual.
    pub(super) fn compare(
        &mut self,
        reading: Reading,
        moment: &Moment,
    ) -> Option<(Response, Tally)> {
        let asked = u32::try_from(self.response.count).unwrap_or(u32::MAX);
        let far_off = reading.score >= f64::from(asked);
        if !far_off || moment.learnt < self.response.learn || !self.is_now(moment) {
            return None;
        }
        let Meter::Spike(spoke) = &mut self.meter else { return None };
        if *spoke == Some(reading.part) {
            return None;
        }
        *spoke = Some(reading.part);
        let tally = Tally { count: reading.value, first: None, credentials: Default::default() };
        Some((self.response.clone(), tally))
    }

    pub(super) fn clear(&mut self) {
        match &mut self.meter {
            Meter::Sum(window) => window.clear(),
            Meter::Distinct(distinct) => distinct.clear(),
            Meter::Lasting(lasting) => lasting.clear(),
            Meter::Spike(spoke) => *spoke = None,
        }
    }

    /// Takes over what a rule counted that says the same.
    pub(super) fn inherit(&mut self, other: Self) {
        self.meter = other.meter;
    }

    pub(super) fn counts_like(&self, other: &Self) -> bool {
        let key = |r: &Response| (r.event, r.count, r.within, r.between);
        key(&self.response) == key(&other.response)
    }

    fn is_now(&self, moment: &Moment) -> bool {
        self.response.between.is_none_or(|hours| hours.contains(moment.time.time()))
    }

    /// Whether the rule's count is reached.
    fn add(&mut self, moment: &Moment) -> bool {
        if !self.is_now(moment) {
            return false;
        }
        match &mut self.meter {
            Meter::Sum(window) => window.add(moment.stamp()),
            Meter::Distinct(distinct) => {
                moment.address().is_some_and(|address| distinct.add(address, moment.stamp()))
            }
            Meter::Lasting(lasting) => lasting.add(moment),
            Meter::Spike(_) => false,
        }
    }

    fn fire(&mut self) -> (Response, Tally) {
        let tally = self.meter.tally();
        self.clear();
        (self.response.clone(), tally)
    }

    /// The alarm may overtake the records of the denials that led to it, so
    /// the rule's own count is the least that the kernel saw.
    fn by_alarm(&mut self) -> (Response, Tally) {
        let (response, mut tally) = self.fire();
        tally.count = tally.count.max(response.count);
        (response, tally)
    }
}

// === impl Meter ===

impl Meter {
    fn new(response: &Response) -> Self {
        let (count, within) = (response.count, response.within);
        match response.event {
            Trigger::Destinations => Self::Distinct(Distinct::new(count, within)),
            Trigger::Throttled => Self::Lasting(Lasting::new(within)),
            Trigger::Spike(_) => Self::Spike(None),
            Trigger::Denied
            | Trigger::RateLimited
            | Trigger::Quarantined
            | Trigger::Tamper
            | Trigger::Connected
            | Trigger::NewDestination
            | Trigger::Bytes => Self::Sum(Window::new(count, within)),
        }
    }

    fn tally(&self) -> Tally {
        match self {
            Self::Sum(window) => window.tally(),
            Self::Distinct(distinct) => distinct.tally(),
            Self::Lasting(lasting) => lasting.tally(),
            Self::Spike(_) => Tally::default(),
        }
    }
}
