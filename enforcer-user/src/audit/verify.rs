//! Proof that nobody edited, removed, moved or cut entries.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::entry::{Entry, Link};
use super::head::Head;

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries.
    pub entries: u64,
    /// When the first one was written.
    pub first: Option<OffsetDateTime>,
    /// When the last one was written.
    pub last: Option<OffsetDateTime>,
    /// The entry the checkpoint names; `None` for an empty log, which has none.
    pub checkpoint: Option<u64>,
    /// The last line is not finished: being written, or left by a crash and
    /// repaired at the next start.
    pub unfinished: bool,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// Not an entry at all.
    #[error("is no audit entry: {0}")]
    NotAnEntry(serde_json::Error),
    /// Its number is not the next one.
    #[error("entry {found} stands where {expected} should: entries were removed, added or moved")]
    Sequence {
        /// The next number.
        expected: u64,
        /// The number there.
        found: u64,
    },
    /// It does not name the hash of the entry before it.
    #[error("entry {seq} does not follow the entry before it: one of them was replaced")]
    Link {
        /// Its number.
        seq: u64,
    },
    /// Its own hash is wrong, or it is not spelled as it was written.
    #[error("entry {seq} was edited: its hash does not fit its content")]
    Edited {
        /// Its number.
        seq: u64,
    },
    /// The checkpoint names this entry with another hash.
    #[error("entry {seq} is not the one in the checkpoint: the log was rewritten")]
    Rewritten {
        /// Its number.
        seq: u64,
    },
}

/// The chain does not hold, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The log or its checkpoint.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A line breaks it.
    #[error("{}:{line}: {what}", path.display())]
    Broken {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: Flaw,
    },
    /// The checkpoint is missing, so a cut at the end could not be seen.
    #[error("{} is missing: the log's end cannot be proved", path.display())]
    NoCheckpoint {
        /// Where the checkpoint should be.
        path: PathBuf,
    },
    /// The chain holds, and says itself that the log was damaged before.
    #[error("{}:{line}: on record: {message}", path.display())]
    OnRecord {
        /// The log.
        path: PathBuf,
        /// The line of the first such entry.
        line: u64,
        /// What it says.
        message: String,
    },
    /// The end is missing.
    #[error(
        "{}:{line}: the end is missing: the checkpoint names entry {checkpoint}, the log ends at {last}",
        path.display()
    )]
    Cut {
        /// The log.
        path: PathBuf,
        /// Its last line.
        line: u64,
        /// The entry the checkpoint names.
        checkpoint: u64,
        /// The last entry there.
        last: u64,
    },
}

/// Reads the whole log and its checkpoint. May run beside the daemon.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    let head_path = Head::path(path);
    // The checkpoint first: the log behind it only grows.
    let head = Head::read(&head_path)
        .map_err(|source| VerifyError::Read { path: head_path.clone(), source })?;
    let read = |source| VerifyError::Read { path: path.into(), source };
    let mut log = BufReader::new(File::open(path).map_err(read)?);
    let (mut link, mut line) = (Link::default(), Vec::new());
    let mut on_record = None;
    let checkpoint = head.as_ref().map(|head| head.seq);
    let mut verified =
        Verified { entries: 0, first: None, last: None, checkpoint, unfinished: false };
    while log.read_until(b'\n', &mut line).map_err(read)? > 0 {
        if line.pop() != Some(b'\n') {
            verified.unfinished = true;
            break;
        }
        let at = verified.entries + 1;
        let broken = |what| VerifyError::Broken { path: path.into(), line: at, what };
        let entry = check_line(&line, &link).map_err(broken)?;
        against(&entry, head.as_ref()).map_err(broken)?;
        link = entry.link();
        if on_record.is_none() && records_damage(&entry) {
            let message = entry.event["message"].as_str().unwrap_or_default().to_owned();
            on_record = Some(VerifyError::OnRecord { path: path.into(), line: at, message });
        }
        verified.entries += 1;
        verified.first.get_or_insert(entry.time);
        verified.last = Some(entry.time);
        line.clear();
    }
    match checkpoint {
        Some(checkpoint) if checkpoint > link.seq => {
            let (line, last) = (verified.entries, link.seq);
            Err(VerifyError::Cut { path: path.into(), line, checkpoint, last })
        }
        None if verified.entries > 0 => Err(VerifyError::NoCheckpoint { path: head_path }),
        _ => on_record.map_or(Ok(verified), Err),
    }
}

/// What a daemon writes that has found its log cut, rewritten or broken.
fn records_damage(entry: &Entry) -> bool {
    matches!(entry.event["reason"].as_str(), Some("audit-cut" | "audit-damaged"))
}

/// The entry, when it follows `link` and is spelled exactly as it was written.
pub(super) fn check_line(line: &[u8], link: &Link) -> Result<Entry, Flaw> {
    let entry: Entry = serde_json::from_slice(line).map_err(Flaw::NotAnEntry)?;
    let (seq, expected) = (entry.seq, link.seq + 1);
    if seq != expected {
        return Err(Flaw::Sequence { expected, found: seq });
    }
    if entry.prev != link.hash {
        return Err(Flaw::Link { seq });
    }
    let spelled = entry.line().map_err(Flaw::NotAnEntry)?;
    if entry.digest() != entry.hash || spelled.as_bytes() != line {
        return Err(Flaw::Edited { seq });
    }
    Ok(entry)
}

fn against(entry: &Entry, head: Option<&Head>) -> Result<(), Flaw> {
    match head {
        Some(head) if head.seq == entry.seq && head.hash != entry.hash => {
            Err(Flaw::Rewritten { seq: entry.seq })
        }
        _ => Ok(()),
    }
}
