//! Proof that nobody edited, removed, moved or cut entries.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::entry::{Entry, Link};
use super::head::Head;
use super::rotation::removed;
use super::segment::{Opened, open_all};

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries.
    pub entries: u64,
    /// In how many files.
    pub files: u64,
    /// Entries before these that retention removed, as the trail itself says.
    pub removed: u64,
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
    /// The beginning is missing, and no entry says that retention removed it.
    #[error("{}: the beginning is missing: entries 1 to {through} were removed, and not by retention", path.display())]
    Gone {
        /// The log.
        path: PathBuf,
        /// The last entry that is missing.
        through: u64,
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

/// Checks every entry of every file of the trail, then its end against the
/// checkpoint, and its beginning against what retention removed.
///
/// # Errors
/// The first place where the chain does not hold, or a file cannot be read.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    verify_against(path, None)
}

/// As [`verify`], and proves that entry `mark.0` has the hash `mark.1`, as a
/// checkpoint kept elsewhere says.
///
/// # Errors
/// As [`verify`], and where the trail does not go through the mark.
pub fn verify_against(path: &Path, mark: Option<(u64, String)>) -> Result<Verified, VerifyError> {
    let head_path = Head::path(path);
    // The checkpoint first: the log behind it only grows.
    let head = Head::read(&head_path)
        .map_err(|source| VerifyError::Read { path: head_path.clone(), source })?;
    let read = |source| VerifyError::Read { path: path.into(), source };
    let files = open_all(path).map_err(read)?;
    let marked = mark.as_ref().map(|(seq, _)| *seq);
    let marks = head.iter().map(|head| (head.seq, head.hash.clone())).chain(mark).collect();
    let mut walk = Walk { marks, ..Walk::default() };
    let newest = files.len().saturating_sub(1);
    for (i, file) in files.into_iter().enumerate() {
        walk.file(file, i == newest)?;
    }
    walk.end(path, &head_path, head.map(|head| head.seq), marked)
}

/// What is known on the way through the files.
#[derive(Default)]
struct Walk {
    /// Numbers and hashes that must be met.
    marks: Vec<(u64, String)>,
    link: Link,
    /// What the first entry follows, where the files before are gone; `None`
    /// once an entry says that retention removed them.
    unproved: Option<Link>,
    line: u64,
    entries: u64,
    files: u64,
    removed: u64,
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
    unfinished: bool,
    on_record: Option<VerifyError>,
}

// === impl Walk ===

impl Walk {
    fn file(&mut self, opened: Opened, newest: bool) -> Result<(), VerifyError> {
        let Opened { path, file } = opened;
        let read = |source| VerifyError::Read { path: path.clone(), source };
        let (mut log, mut line) = (BufReader::new(file), Vec::new());
        (self.files, self.line) = (self.files + 1, 0);
        while log.read_until(b'\n', &mut line).map_err(read)? > 0 {
            let whole = line.pop() == Some(b'\n');
            if !whole && newest {
                self.unfinished = true;
                break;
            }
            self.line += 1;
            let at = self.line;
            let broken = |what| VerifyError::Broken { path: path.clone(), line: at, what };
            self.entry(&line, &path).map_err(broken)?;
            line.clear();
        }
        Ok(())
    }

    fn entry(&mut self, line: &[u8], path: &Path) -> Result<(), Flaw> {
        if self.entries == 0 && self.files_before_are_gone(line) {
            self.link = self.unproved.clone().unwrap_or_default();
        }
        let entry = check_line(line, &self.link)?;
        self.link = entry.link();
        if self.marks.iter().any(|(seq, hash)| *seq == entry.seq && *hash != entry.hash) {
            return Err(Flaw::Rewritten { seq: entry.seq });
        }
        if let (Some(gone), Some(removed)) = (&self.unproved, removed(&entry))
            && (removed.seq > gone.seq || removed == *gone)
        {
            // More than is gone yet: files are removed one by one.
            self.unproved = None;
        }
        if self.on_record.is_none() && records_damage(&entry) {
            let message = entry.event["message"].as_str().unwrap_or_default().to_owned();
            self.on_record =
                Some(VerifyError::OnRecord { path: path.into(), line: self.line, message });
        }
        self.entries += 1;
        self.first.get_or_insert(entry.time);
        self.last = Some(entry.time);
        Ok(())
    }

    /// Only a file that was rotated, or the log after one, begins later than
    /// with entry 1.
    fn files_before_are_gone(&mut self, line: &[u8]) -> bool {
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else { return false };
        let before = entry.seq.saturating_sub(1);
        if before > 0 {
            self.removed = before;
            self.unproved = Some(Link { seq: before, hash: entry.prev });
        }
        before > 0
    }

    fn end(
        self,
        path: &Path,
        head_path: &Path,
        checkpoint: Option<u64>,
        marked: Option<u64>,
    ) -> Result<Verified, VerifyError> {
        if let Some(Link { seq, .. }) = self.unproved {
            return Err(VerifyError::Gone { path: path.into(), through: seq });
        }
        let last = self.link.seq;
        if let Some(checkpoint) = checkpoint.into_iter().chain(marked).find(|seq| *seq > last) {
            let line = self.line;
            return Err(VerifyError::Cut { path: path.into(), line, checkpoint, last });
        }
        if checkpoint.is_none() && self.entries > 0 {
            return Err(VerifyError::NoCheckpoint { path: head_path.into() });
        }
        if let Some(error) = self.on_record {
            return Err(error);
        }
        let Self { entries, files, removed, first, last, unfinished, .. } = self;
        Ok(Verified { entries, files, removed, first, last, checkpoint, unfinished })
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
