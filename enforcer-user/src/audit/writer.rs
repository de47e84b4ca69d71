//! The one thread that writes. Entries are flushed in groups; what must not be
//! lost is flushed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{oneshot, watch};

use super::entry::{Entry, Link};
use super::rotation::Rotation;
use super::storage::Storage;
use crate::events::{Event, EventKind};

/// Longest time an entry waits to be flushed.
const GROUP: Duration = Duration::from_millis(50);
/// How soon a failed write is tried again when nothing else happens.
const REPAIR_EVERY: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(super) enum Message {
    Append(Box<Event>),
    Sync(oneshot::Sender<bool>),
}

/// Losses, shared with the handle.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Since the start, for metrics.
    pub(super) total: AtomicU64,
    /// Not written down yet.
    pub(super) untold: AtomicU64,
}

/// The writer's state.
pub(super) struct Writer<S> {
    pub(super) storage: S,
    pub(super) link: Link,
    /// Bytes of whole entries in the log.
    pub(super) len: u64,
    pub(super) losses: Arc<Losses>,
    /// Why the last write failed; `None` while all is well.
    pub(super) trouble: Option<String>,
    /// When the oldest entry that is not flushed must be.
    pub(super) due: Option<Instant>,
    pub(super) rotation: Rotation,
    /// Number of the last entry that is on disk, for those who pass them on.
    pub(super) flushed: watch::Sender<u64>,
}

// === impl Losses ===

impl Losses {
    pub(super) fn add(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.untold.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Writer ===

impl<S: Storage> Writer<S> {
    /// Runs until every handle is gone; flushes what is left.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        self.retire(OffsetDateTime::now_utc());
        loop {
            match messages.recv_timeout(self.pause()) {
                Ok(Message::Append(event)) => self.write(&event),
                Ok(Message::Sync(reply)) => {
                    if reply.send(self.flush()).is_err() {
                        tracing::debug!("nobody waits for the audit log any more");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.tell_losses();
                    self.turn(OffsetDateTime::now_utc());
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.flush();
            }
        }
        self.tell_losses();
        self.flush();
    }

    /// Writes one event, after an entry about losses if there were any.
    pub(super) fn write(&mut self, event: &Event) {
        self.tell_losses();
        self.turn(OffsetDateTime::now_utc());
        if !self.append(event) {
            self.losses.add();
            return;
        }
        self.due.get_or_insert_with(|| Instant::now() + GROUP);
        if urgent(event.kind) {
            self.flush();
        }
    }

    /// `true` when everything written so far is on disk.
    pub(super) fn flush(&mut self) -> bool {
        if self.due.is_none() {
            return self.trouble.is_none();
        }
        match self.storage.sync(&self.link) {
            Ok(()) => {
                self.due = None;
                self.flushed.send_replace(self.link.seq);
                // With losses, half a line may still stand at the end.
                if self.losses.untold.load(Ordering::Relaxed) == 0 {
                    self.trouble = None;
                }
            }
            Err(error) => {
                self.complain(error.to_string());
                self.due = Some(Instant::now() + REPAIR_EVERY);
            }
        }
        self.due.is_none()
    }

    /// An entry for losses, as soon as the disk takes one.
    fn tell_losses(&mut self) {
        let lost = self.losses.untold.load(Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        let why = self.trouble.clone().unwrap_or_else(|| "the queue was full".into());
        let event = lost_event(format!("{lost} audit entries lost: {why}"));
        if self.append(&event) {
            self.losses.untold.fetch_sub(lost, Ordering::Relaxed);
            self.due.get_or_insert_with(|| Instant::now() + GROUP);
            self.trouble = None;
        }
    }

    /// An entry of the trail's own, with a member that programs read.
    pub(super) fn write_with(&mut self, event: &Event, member: &str, what: Value) {
        let written = serde_json::to_value(event).map_err(Into::into).and_then(|mut value| {
            value[member] = what;
            self.try_append(value)
        });
        match written {
            Ok(()) => drop(self.due.get_or_insert_with(|| Instant::now() + GROUP)),
            Err(error) => self.complain(error.to_string()),
        }
    }

    fn append(&mut self, event: &Event) -> bool {
        let value = serde_json::to_value(event).map_err(Into::into);
        let written = value.and_then(|value| self.try_append(value));
        if let Err(error) = &written {
            self.complain(error.to_string());
        }
        written.is_ok()
    }

    fn try_append(&mut self, value: Value) -> std::io::Result<()> {
        let entry = Entry::after(&self.link, OffsetDateTime::now_utc(), value);
        let mut line = entry.line()?;
        line.push('\n');
        // After a failed write half a line may stand there.
        if self.trouble.is_some() {
            self.storage.cut(self.len)?;
        }
        self.storage.append(line.as_bytes())?;
        self.len += line.len() as u64;
        self.link = entry.link();
        self.rotation.note(entry.seq, entry.time);
        Ok(())
    }

    /// Once for each trouble, not for each entry.
    fn complain(&mut self, error: String) {
        if self.trouble.is_none() {
            tracing::error!(error, "the audit log cannot be written; enforcement goes on");
        }
        self.trouble = Some(error);
    }

    fn pause(&self) -> Duration {
        match self.due {
            Some(due) => due.saturating_duration_since(Instant::now()),
            None => REPAIR_EVERY,
        }
    }
}

fn urgent(kind: EventKind) -> bool {
    matches!(kind, EventKind::Revocation | EventKind::Quarantined | EventKind::Policy)
}

/// An entry the log makes about itself.
pub(super) fn own_event(kind: EventKind, reason: &str, message: String) -> Event {
    Event { reason: Some(reason.into()), ..Event::now(kind, message) }
}

fn lost_event(message: String) -> Event {
    own_event(EventKind::Lost, "audit", message)
}
