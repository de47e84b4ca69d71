//! Taking up the chain at start: check its end, repair what a crash left, and
//! say so in the log itself.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::watch;

use super::entry::{Entry, Link};
use super::head::Head;
use super::lines::last_lines;
use super::rotation::Rotation;
use super::segment::Segment;
use super::storage::LogFile;
use super::verify::check_line;
use super::writer::{Losses, Writer, own_event};
use crate::config::AuditSettings;
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
    /// The first entry of the log and the last one of all.
    first: Option<Entry>,
    last: Option<OffsetDateTime>,
    notes: Vec<Event>,
}

/// Opens the log, mode 0600, and continues its chain.
pub(super) fn open(
    path: &Path,
    settings: &AuditSettings,
    losses: Arc<Losses>,
) -> Result<Writer<LogFile>, AuditError> {
    let failed = |source| AuditError { path: path.into(), source };
    let mut found = take_up(path).map_err(failed)?;
    found.notes.extend(checkpoint(&found, &Head::path(path)));
    let len = found.file.metadata().map_err(failed)?.len();
    let storage = LogFile { file: found.file, log: path.into() };
    let (link, mut rotation) = (found.link, Rotation::new(settings.clone()));
    rotation.first = found.first.map(|first| (first.seq, first.time.date()));
    rotation.day = found.last.map(OffsetDateTime::date);
    let flushed = watch::Sender::new(link.seq);
    let mut writer =
        Writer { storage, link, len, losses, trouble: None, due: None, rotation, flushed };
    for note in found.notes {
        tracing::error!("{}", note.message.as_deref().unwrap_or_default());
        writer.write(&note);
    }
    Ok(writer)
}

struct Ends {
    link: Link,
    first: Option<Entry>,
    last: Option<OffsetDateTime>,
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
    match ends(path, &file, &lines) {
        Ok(Ends { link, first, last }) => Ok(Found { file, link, first, last, notes }),
        Err(what) => start_anew(path, &what),
    }
}

/// Where the trail stands; what is wrong if it is broken.
fn ends(path: &Path, file: &File, lines: &[Vec<u8>]) -> Result<Ends, String> {
    let before = rotated_end(path)?;
    let whole = lines.len() < CHECKED_AT_START;
    let start = match lines.first() {
        None => None,
        Some(first) => Some(parsed(first)?),
    };
    let mut link = match (&before, &start) {
        (Some(before), _) if whole => before.link(),
        (None, None) => Link::default(),
        (_, Some(first)) => Link { seq: first.seq.saturating_sub(1), hash: first.prev.clone() },
        (Some(before), None) => before.link(),
    };
    let mut last = before.map(|before| before.time);
    for line in lines {
        let entry = check_line(line, &link).map_err(|flaw| flaw.to_string())?;
        (link, last) = (entry.link(), Some(entry.time));
    }
    let first = if whole { start } else { Some(first_of(file)?) };
    Ok(Ends { link, first, last })
}

/// The last entry of the newest file that was rotated.
fn rotated_end(path: &Path) -> Result<Option<Entry>, String> {
    let newest = Segment::all(path).map_err(|error| error.to_string())?.pop();
    let Some(Segment { path, .. }) = newest else { return Ok(None) };
    let lines = File::open(&path).and_then(|file| last_lines(&file, 1));
    let (lines, _) = lines.map_err(|error| format!("{}: {error}", path.display()))?;
    parsed(lines.last().map(Vec::as_slice).unwrap_or_default())
        .map(Some)
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn first_of(file: &File) -> Result<Entry, String> {
    let mut line = Vec::new();
    let read = file.try_clone().and_then(|mut file| {
        file.rewind()?;
        BufReader::new(file).read_until(b'\n', &mut line)
    });
    read.map_err(|error| error.to_string())?;
    parsed(&line)
}

fn parsed(line: &[u8]) -> Result<Entry, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// A chain cannot be continued behind a broken end: the old files are kept.
fn start_anew(path: &Path, what: &str) -> io::Result<Found> {
    let named = |path: &Path, n: u32| path.with_extension(format!("jsonl.damaged-{n}"));
    let n = (1..).find(|&n| !named(path, n).exists()).unwrap_or_default();
    let rotated = Segment::all(path)?.into_iter().map(|segment| segment.path);
    for old in rotated.chain([path.to_path_buf()]) {
        std::fs::rename(&old, named(&old, n))?;
    }
    let aside = named(path, n);
    let message =
        format!("the end of the audit log is broken ({what}): moved to {}", aside.display());
    let note = own_event(EventKind::Tamper, "audit-damaged", message);
    let link = Link::default();
    Ok(Found { file: private_file(path)?, link, first: None, last: None, notes: vec![note] })
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

pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
