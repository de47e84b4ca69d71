//! Taking up the chain at start: check its end, repair what a crash left, and
//! say so in the log itself.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Entry, Link};
use super::head::Head;
use super::lines::last_lines;
use super::storage::LogFile;
use super::verify::check_line;
use super::writer::{Losses, Writer, own_event};
use crate::events::{Event, EventKind};

/// How many entries at the end are checked at start; `verify` checks all.
const CHECKED_AT_START: usize = 1000;

/// The log cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("audit log {}: {source}", path.display())]
pub struct AuditError {
    /// The log.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// The log as it was found.
struct Found {
    file: File,
    link: Link,
    notes: Vec<Event>,
}

/// Opens the log, mode 0600, and continues its chain.
pub(super) fn open(path: &Path, losses: Arc<Losses>) -> Result<Writer<LogFile>, AuditError> {
    let failed = |source| AuditError { path: path.into(), source };
    let head_path = Head::path(path);
    let mut found = take_up(path).map_err(failed)?;
    found.notes.extend(checkpoint(&found, &head_path));
    let len = found.file.metadata().map_err(failed)?.len();
    let storage = LogFile { file: found.file, head: head_path };
    let link = found.link;
    let mut writer = Writer { storage, link, len, losses, trouble: None, due: None };
    for note in found.notes {
        tracing::error!("{}", note.message.as_deref().unwrap_or_default());
        writer.write(&note);
    }
    Ok(writer)
}

fn take_up(path: &Path) -> io::Result<Found> {
    let file = private_file(path)?;
    let (lines, torn) = last_lines(&file, CHECKED_AT_START)?;
    let mut notes = Vec::new();
    if torn > 0 {
        file.set_len(file.metadata()?.len() - torn)?;
        let message = format!("{torn} bytes of an unfinished entry removed after a crash");
        notes.push(own_event(EventKind::Daemon, "audit-repair", message));
    }
    match end_of(&lines) {
        Ok(link) => Ok(Found { file, link, notes }),
        Err(what) => start_anew(path, &what),
    }
}

/// Where the chain stands after these lines; what is wrong if it is broken.
fn end_of(lines: &[Vec<u8>]) -> Result<Link, String> {
    let mut link = match lines.first() {
        None => return Ok(Link::default()),
        Some(first) => {
            let first: Entry = serde_json::from_slice(first).map_err(|e| e.to_string())?;
            Link { seq: first.seq.saturating_sub(1), hash: first.prev }
        }
    };
    for line in lines {
        link = check_line(line, &link).map_err(|flaw| flaw.to_string())?.link();
    }
    Ok(link)
}

/// A chain cannot be continued behind a broken end: the old log is kept.
fn start_anew(path: &Path, what: &str) -> io::Result<Found> {
    let named = |n: u32| path.with_extension(format!("jsonl.damaged-{n}"));
    let aside = (1..).map(named).find(|p| !p.exists()).unwrap_or_else(|| named(0));
    std::fs::rename(path, &aside)?;
    let message =
        format!("the end of the audit log is broken ({what}): moved to {}", aside.display());
    let note = own_event(EventKind::Tamper, "audit-damaged", message);
    Ok(Found { file: private_file(path)?, link: Link::default(), notes: vec![note] })
}

/// What the checkpoint says against the log.
fn checkpoint(found: &Found, head_path: &Path) -> Option<Event> {
    let tamper = |message| Some(own_event(EventKind::Tamper, "audit-cut", message));
    let Link { seq, hash } = &found.link;
    match Head::read(head_path) {
        Ok(Some(head)) if head.seq > *seq => tamper(format!(
            "the audit log was cut: its checkpoint names entry {}, it ends at {seq}",
            head.seq
        )),
        Ok(Some(head)) if head.seq == *seq && head.hash != *hash => {
            tamper(format!("the audit log was rewritten: entry {seq} is not the checkpoint's"))
        }
        Ok(None) if *seq > 0 => tamper("the audit log's checkpoint is missing".into()),
        Ok(_) => None,
        Err(error) => tamper(format!("the audit log's checkpoint cannot be read: {error}")),
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
