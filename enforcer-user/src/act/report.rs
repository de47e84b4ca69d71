//! What the worker tells the daemon, for the audit log, metrics and watchers.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::outbox::Row;
use crate::events::{Event, EventKind};

/// One thing told. The daemon numbers events; here `seq` is 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A step of the ladder.
    Event(Box<Event>),
    /// A revocation's attempt ended, for metrics.
    Revocation(RevocationReport),
}

/// How an attempt ended, in closed vocabularies fit for labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationReport {
    /// The word of `via`, or `none`.
    pub provider: &'static str,
    /// `confirmed`, `retried`, `failed`, `over-budget` or `no-revoker`.
    pub outcome: &'static str,
    /// From the kernel's time of the violation to the provider's confirmation;
    /// only where confirmed. After a reboot in between it is wall time.
    pub duration: Option<Duration>,
}

/// Sends reports. A daemon that stopped listening is noticed by itself; the
/// log still gets everything that must be loud.
#[derive(Clone, Debug)]
pub(super) struct Teller(pub(super) UnboundedSender<Report>);

// === impl Teller ===

impl Teller {
    /// An alert, or trouble of our own: loud.
    pub(super) fn alert(&self, agent: Option<&str>, message: String) {
        tracing::warn!(agent, "{message}");
        self.send(event(EventKind::Daemon, agent, "alert", message));
    }

    /// The daemon cut an agent off.
    pub(super) fn quarantined(&self, agent: &str, message: String) {
        tracing::warn!(agent, "quarantined: {message}");
        self.send(event(EventKind::Quarantined, Some(agent), "respond", message));
    }

    /// A step of a row. `word` is `queued`, `known`, `confirmed`, `retried` or
    /// `failed`.
    pub(super) fn row(&self, row: &Row, word: &str, message: String) {
        self.revocation(row.agent.as_deref(), &row.credential, word, message);
    }

    /// A step of a credential without a row.
    pub(super) fn revocation(
        &self,
        agent: Option<&str>,
        credential: &str,
        word: &str,
        message: String,
    ) {
        match word {
            "failed" | "retried" | "over-budget" | "no-revoker" => {
                tracing::error!(agent, credential, outcome = word, "revocation: {message}");
            }
            _ => tracing::info!(agent, credential, outcome = word, "revocation: {message}"),
        }
        let mut event = event(EventKind::Revocation, agent, word, message);
        event.credentials = vec![credential.to_owned()];
        self.send(event);
    }

    pub(super) fn count(
        &self,
        provider: &'static str,
        outcome: &'static str,
        duration: Option<Duration>,
    ) {
        let report = RevocationReport { provider, outcome, duration };
        drop(self.0.send(Report::Revocation(report)));
    }

    fn send(&self, event: Event) {
        drop(self.0.send(Report::Event(Box::new(event))));
    }
}

fn event(kind: EventKind, agent: Option<&str>, reason: &str, message: String) -> Event {
    let agent = agent.map(Into::into);
    Event { agent, reason: Some(reason.into()), ..Event::now(kind, message) }
}
