//! Where entries go: the log and its checkpoint. A trait, so that a full disk
//! can be tested.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::entry::Link;
use super::head::Head;

/// An append-only store.
pub(super) trait Storage {
    /// Adds bytes at the end; after an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Takes back what lies behind `len`.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Everything so far is on disk, up to this entry.
    fn sync(&mut self, link: &Link) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    pub(super) head: PathBuf,
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
        Head::of(link).write(&self.head)
    }
}
