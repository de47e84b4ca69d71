//! Reads on in the trail, whatever it is rotated into meanwhile.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::super::entry::Entry;
use super::super::lines::last_lines;
use super::super::segment::{Opened, open_all};

/// Most entries of a batch, and about how many bytes.
const MAX_ENTRIES: usize = 256;
const MAX_BYTES: usize = 256 << 10;

/// A place in the trail.
#[derive(Debug)]
pub(super) struct Follower {
    log: PathBuf,
    /// Number of the next entry.
    pub(super) next: u64,
    reader: Option<BufReader<File>>,
}

/// What was read at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    /// Entries before these that are not there any more.
    pub(super) gone: u64,
}

// === impl Follower ===

impl Follower {
    pub(super) fn new(log: PathBuf, next: u64) -> Self {
        Self { log, next, reader: None }
    }

    /// The next entries, none behind `through`, which is on disk.
    pub(super) fn batch(&mut self, through: u64) -> io::Result<Batch> {
        let (mut batch, mut bytes, mut line) = (Batch::default(), 0, Vec::new());
        let mut ends = 0;
        while self.next <= through && batch.entries.len() < MAX_ENTRIES && bytes < MAX_BYTES {
            line.clear();
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => self.reader.insert(open(&self.log, self.next)?),
            };
            if reader.read_until(b'\n', &mut line)? == 0 {
                // The end of a file that was rotated; the entry is in a later one.
                self.reader = None;
                ends += 1;
                if ends > 2 {
                    let missing = format!("entry {} is missing", self.next);
                    return Err(io::Error::other(missing));
                }
                continue;
            }
            let entry: Entry = serde_json::from_slice(&line)?;
            if entry.seq >= self.next {
                batch.gone += entry.seq - self.next;
                self.next = entry.seq + 1;
                ends = 0;
                bytes += line.len();
                batch.entries.push(entry);
            }
        }
        Ok(batch)
    }
}

/// The first file that ends with this entry or a later one, else the newest.
fn open(log: &Path, next: u64) -> io::Result<BufReader<File>> {
    let mut found = None;
    for Opened { file, .. } in open_all(log)? {
        let (lines, _) = last_lines(&file, 1)?;
        let last = lines.first().map(|line| serde_json::from_slice::<Entry>(line)).transpose()?;
        found = Some(file);
        if last.is_some_and(|last| last.seq >= next) {
            break;
        }
    }
    found.map(BufReader::new).ok_or_else(|| io::ErrorKind::NotFound.into())
}
