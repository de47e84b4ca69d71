//! Where batches go, and what may come of one.

use super::super::entry::Entry;
use super::http::Http;
use super::syslog::Syslog;
use crate::config::{ExportFormat, SinkTarget};
use crate::events::{Event, EventKind};

/// An entry as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) entry: Entry,
    /// The kind of its event, if this version knows it.
    pub(super) kind: Option<EventKind>,
    /// In the words of the sink's format.
    pub(super) text: String,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be later.
    Later(String),
    /// Not with this content.
    Refused(String),
}

/// The other side.
#[derive(Debug)]
pub(super) enum Target {
    Syslog(Syslog),
    Http(Http),
}

// === impl Line ===

impl Line {
    /// What cannot be written in the format is passed on as it is.
    pub(super) fn new(entry: Entry, format: ExportFormat, host: &str) -> Self {
        let kind = serde_json::from_value(entry.event["kind"].clone()).ok();
        let text = format.line(&entry, host).unwrap_or_else(|_| entry.event.to_string());
        Self { entry, kind, text }
    }
}

// === impl Target ===

impl Target {
    pub(super) fn new(to: &SinkTarget, host: &str) -> Self {
        match to {
            SinkTarget::Syslog { host: peer, port, ca } => {
                Self::Syslog(Syslog::new(peer.clone(), *port, ca.clone(), host.to_owned()))
            }
            SinkTarget::Http { url, token, ca } => {
                Self::Http(Http::new(url.clone(), token.clone(), ca.clone()))
            }
        }
    }

    /// Delivers all of them, or says why not.
    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        match self {
            Self::Syslog(syslog) => syslog.send(lines).await.map_err(Trouble::Later),
            Self::Http(http) => http.send(lines).await,
        }
    }
}

/// A sink's own event: its state changed.
pub(super) fn told(kind: EventKind, message: String) -> Event {
    Event { reason: Some("audit-sink".into()), ..Event::now(kind, message) }
}
