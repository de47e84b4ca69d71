//! One event or sample, as rules and findings see it.

use std::net::IpAddr;
use std::time::Duration;

use time::OffsetDateTime;

use super::window::Stamp;
use crate::events::{Destination, Event};
use crate::policy::CredentialId;

/// When it was, how much it weighs, and what a finding says of it.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub(super) ktime_ns: u64,
    pub(super) time: OffsetDateTime,
    /// Events, suppressed ones included; bytes of a sample.
    pub(super) weight: u64,
    pub(super) destination: Option<Destination>,
    pub(super) reason: String,
    /// Those of the agent's that it concerns.
    pub(super) credentials: Vec<CredentialId>,
    /// How long the agent's destinations have been learnt.
    pub(super) learnt: Duration,
}

// === impl Moment ===

impl Moment {
    pub(super) fn of(event: &Event, credentials: Vec<CredentialId>) -> Self {
        Self {
            ktime_ns: event.ktime_ns,
            time: event.time,
            weight: 1 + u64::from(event.suppressed),
            destination: event.destination.clone(),
            reason: event.reason.clone().unwrap_or_default(),
            credentials,
            learnt: Duration::ZERO,
        }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.destination.as_ref().map(|destination| destination.ip)
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            ktime_ns: self.ktime_ns,
            time: self.time,
            weight: self.weight,
            credentials: self.credentials.clone(),
        }
    }
}
