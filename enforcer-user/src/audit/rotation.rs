//! When the log is rotated, what is said about each day, and what is removed.

use serde_json::json;
use time::{Date, OffsetDateTime};

use super::entry::{Entry, Link};
use super::storage::{Rotated, Storage};
use super::writer::{Writer, own_event};
use crate::config::AuditSettings;
use crate::events::EventKind;

/// Member of an entry that says which entries retention removed.
const REMOVED: &str = "removed";

/// What the log is rotated by, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    pub(super) settings: AuditSettings,
    /// The first entry of the file that is written, and its day; `None` while
    /// it is empty.
    pub(super) first: Option<(u64, Date)>,
    /// The day of the last entry; `None` in a new trail.
    pub(super) day: Option<Date>,
    /// Why the last rotation failed: said once.
    pub(super) trouble: Option<String>,
}

// === impl Rotation ===

impl Rotation {
    pub(super) fn new(settings: AuditSettings) -> Self {
        Self { settings, first: None, day: None, trouble: None }
    }

    /// Notes an entry that was written, or found.
    pub(super) fn note(&mut self, seq: u64, time: OffsetDateTime) {
        let day = time.date();
        self.first.get_or_insert((seq, day));
        self.day = Some(day);
    }

    /// The number of the file's first entry, where it is to be rotated.
    fn due(&self, bytes: u64, today: Date) -> Option<u64> {
        let (first, day) = self.first?;
        (bytes >= self.settings.rotate_size || day < today).then_some(first)
    }
}

// === impl Writer ===

impl<S: Storage> Writer<S> {
    /// What time and size ask for: a new file, the checkpoint of the day that
    /// ended, the removal of what is too old. Cheap when there is nothing to do.
    pub(super) fn turn(&mut self, now: OffsetDateTime) {
        let today = now.date();
        if let Some(first) = self.rotation.due(self.len, today)
            && self.flush()
        {
            self.rotate(first);
        }
        match self.rotation.day {
            Some(day) if day < today => self.checkpoint(day),
            Some(_) | None => {}
        }
    }

    /// Also at the start: a kill may have come between rotation and removal.
    pub(super) fn retire(&mut self, now: OffsetDateTime) {
        if let Err(error) = self.try_retire(now) {
            self.complain_of_rotation(error.to_string());
        }
    }

    fn rotate(&mut self, first: u64) {
        match self.storage.rotate(first) {
            Ok(()) => {
                self.len = 0;
                self.rotation.first = None;
                self.rotation.trouble = None;
                self.retire(OffsetDateTime::now_utc());
            }
            // The log grows on; it is tried again with the next entry.
            Err(error) => self.complain_of_rotation(error.to_string()),
        }
    }

    fn complain_of_rotation(&mut self, error: String) {
        if self.rotation.trouble.is_none() {
            tracing::error!(error, "the audit log cannot be rotated; it grows on");
        }
        self.rotation.trouble = Some(error);
    }

    /// One line a day, in the trail, the journal, and with every sink: whoever
    /// has it can prove later that the trail was not written anew.
    fn checkpoint(&mut self, day: Date) {
        let Link { seq, hash } = self.link.clone();
        let message = format!("checkpoint of {day}: entry {seq}, hash {hash}");
        tracing::info!("audit {message}");
        let event = own_event(EventKind::Daemon, "audit-checkpoint", message);
        self.write_with(
            &event,
            "checkpoint",
            json!({ "day": day.to_string(), "seq": seq, "hash": hash }),
        );
        self.flush();
    }

    /// Oldest first, and only after the trail says so: a file that is gone
    /// without an entry was removed by somebody else.
    fn try_retire(&mut self, now: OffsetDateTime) -> std::io::Result<()> {
        let rotated = self.storage.rotated()?;
        let old = too_old(&rotated, &self.rotation.settings, now);
        let Some(last) = old.last() else { return Ok(()) };
        let Link { seq, hash } = last.last.clone();
        let message = format!("entries up to {seq} are older than is kept: removed");
        let event = own_event(EventKind::Daemon, "audit-retention", message);
        self.write_with(&event, REMOVED, json!({ "through": seq, "hash": hash }));
        if !self.flush() {
            return Ok(());
        }
        old.iter().try_for_each(|file| self.storage.remove(file))
    }
}

/// Those at the beginning that are older than `keep`, or more than `keep_size` holds.
fn too_old<'r>(
    rotated: &'r [Rotated],
    settings: &AuditSettings,
    now: OffsetDateTime,
) -> &'r [Rotated] {
    let keep = time::Duration::try_from(settings.keep).unwrap_or(time::Duration::MAX);
    let mut bytes: u64 = rotated.iter().map(|file| file.bytes).sum();
    let mut count = 0;
    for file in rotated {
        if bytes <= settings.keep_size && now - file.written <= keep {
            break;
        }
        bytes -= file.bytes;
        count += 1;
    }
    &rotated[..count]
}

/// The last entry that retention removed, where this entry tells of it.
pub(super) fn removed(entry: &Entry) -> Option<Link> {
    let removed = (entry.event["reason"] == "audit-retention").then(|| &entry.event[REMOVED])?;
    let hash = removed["hash"].as_str()?.to_owned();
    Some(Link { seq: removed["through"].as_u64()?, hash })
}
