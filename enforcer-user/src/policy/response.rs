//! `[[respond]]` as meant: when, and what is to be done.

use std::time::Duration;

use time::Time;

use crate::policy::Location;

/// One `[[respond]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// What is counted.
    pub event: Trigger,
    /// How much of it, at least 1: events; distinct addresses; bytes; for
    /// [`Trigger::Spike`] how many times the usual deviation; for
    /// [`Trigger::Throttled`] 1.
    pub count: u64,
    /// Within which sliding window; for [`Trigger::Throttled`] how long it
    /// lasts; for [`Trigger::Spike`] the time that is compared with others.
    pub within: Duration,
    /// How long an agent is watched before the rule holds. Only rules that
    /// compare with the past have one; others have zero.
    pub learn: Duration,
    /// Only what happens at this time of the day counts.
    pub between: Option<Hours>,
    /// What is done, in the order of the ladder; never empty.
    pub actions: Vec<Step>,
    /// Where it is written.
    pub location: Location,
}

/// What a `[[respond]]` can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Policy violations.
    Denied,
    /// Refusals by a cap.
    RateLimited,
    /// A cap that refuses for some time without a rest.
    Throttled,
    /// The kernel's own quarantine.
    Quarantined,
    /// Attempts to leave the cgroup, or on the enforcement itself.
    Tamper,
    /// Connections that were allowed.
    Connected,
    /// Distinct addresses of allowed connections: fan-out.
    Destinations,
    /// Addresses that the agent has never connected to before.
    NewDestination,
    /// Bytes that were allowed.
    Bytes,
    /// Far more of something than this agent's usual.
    Spike(Sampled),
}

/// What is read from the kernel's counters once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sampled {
    /// Bytes at layer 3 that were allowed.
    Bytes,
    /// Packets that were allowed.
    Packets,
    /// Connections that were allowed.
    Connections,
}

/// Steps of the ladder, from reversible to final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Tell people.
    Alert,
    /// Cut the agent off.
    Quarantine,
    /// Kill its credentials at their providers.
    Revoke,
}

/// A part of the day, UTC, from `from` up to but without `to`; over midnight
/// where `to` is the earlier one. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// When it begins.
    pub from: Time,
    /// When it is over.
    pub to: Time,
}

// === impl Response, Sampled, Hours ===

impl Response {
    /// Whether the kernel could carry it out by itself: it counts denials, at
    /// any time of the day, and quarantines.
    pub fn fits_the_kernel(&self) -> bool {
        self.event == Trigger::Denied
            && self.between.is_none()
            && self.actions.contains(&Step::Quarantine)
    }
}

impl Sampled {
    /// The word it is written as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Connections => "connections",
        }
    }
}

impl Hours {
    /// Whether this time of the day (UTC) is in it.
    pub fn contains(&self, time: Time) -> bool {
        if self.from < self.to {
            self.from <= time && time < self.to
        } else {
            self.from <= time || time < self.to
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::time;

    use super::*;

    #[test]
    fn a_part_of_the_day_goes_over_midnight_where_its_end_is_earlier() {
        let day = Hours { from: time!(8:00), to: time!(18:00) };
        assert!(day.contains(time!(8:00)) && day.contains(time!(17:59:59)));
        assert!(!day.contains(time!(18:00)) && !day.contains(time!(7:59:59)));
        let night = Hours { from: time!(18:00), to: time!(8:00) };
        for at in [time!(0:00), time!(7:59), time!(8:00), time!(17:00), time!(18:00), time!(23:59)]
        {
            assert_ne!(day.contains(at), night.contains(at), "{at}");
        }
    }
}
