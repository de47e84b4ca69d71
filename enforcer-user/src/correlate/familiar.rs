//! Which addresses an agent has ever connected to.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Most addresses that are known of one agent, about 2 MiB. Further ones are
/// new each time: to forget an old one would hide it, to know all would hide
/// every new one.
const MOST: usize = 65_536;

/// The addresses of one agent. Outlives the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Familiar {
    /// Since when it is learnt.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    known: BTreeSet<IpAddr>,
}

// === impl Familiar ===

impl Familiar {
    pub(super) fn new(since: OffsetDateTime) -> Self {
        Self { since, known: BTreeSet::new() }
    }

    /// Notes a connection; `true` when the address is new.
    pub(super) fn meet(&mut self, address: IpAddr) -> bool {
        if self.known.contains(&address) {
            return false;
        }
        if self.known.len() < MOST {
            self.known.insert(address);
        }
        true
    }

    /// How long it has been learnt; zero where the clock was set back.
    pub(super) fn learnt(&self, now: OffsetDateTime) -> Duration {
        Duration::try_from(now - self.since).unwrap_or_default()
    }
}
