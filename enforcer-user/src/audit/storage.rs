//! Where entries go: the log and its checkpoint. A trait, so that a full disk
//! can be tested.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use time::OffsetDateTime;

use super::entry::Link;
use super::head::Head;
use super::open::private_file;
use super::segment::{Segment, sync_folder};

/// An append-only store.
pub(super) trait Storage {
    /// Adds bytes at the end; after an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Takes back what lies behind `len`.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Everything so far is on disk, up to this entry.
    fn sync(&mut self, link: &Link) -> io::Result<()>;
    /// What was appended becomes a file of its own, named after its first
    /// entry; what comes next goes into a new one. Everything is synced before.
    fn rotate(&mut self, first: u64) -> io::Result<()>;
    /// The files that were rotated, oldest first.
    fn rotated(&self) -> io::Result<Vec<Rotated>>;
    /// Removes one of them for good.
    fn remove(&mut self, rotated: &Rotated) -> io::Result<()>;
}

/// A file that was rotated, and how it ends.
#[derive(Clone, Debug)]
pub(super) struct Rotated {
    pub(super) segment: Segment,
    pub(super) bytes: u64,
    pub(super) last: Link,
    pub(super) written: OffsetDateTime,
}

/// The real one.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    pub(super) log: PathBuf,
}

// === impl LogFile ===

impl Storage for LogFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self, link: &Link) -> io::Result<()> {
        self.file.sync_data()?;
        Head::of(link).write(&Head::path(&self.log))
    }

    /// Renamed first: what a kill leaves behind is a trail without its newest
    /// file, which the next start makes.
    fn rotate(&mut self, first: u64) -> io::Result<()> {
        let to = Segment::path(&self.log, first);
        if to.try_exists()? {
            return Err(io::Error::other(format!("{} is there already", to.display())));
        }
        std::fs::rename(&self.log, &to)?;
        self.file = private_file(&self.log)?;
        sync_folder(&self.log)
    }

    fn rotated(&self) -> io::Result<Vec<Rotated>> {
        Segment::all(&self.log)?.into_iter().map(Segment::closed).collect()
    }

    fn remove(&mut self, rotated: &Rotated) -> io::Result<()> {
        std::fs::remove_file(&rotated.segment.path)?;
        sync_folder(&self.log)
    }
}
