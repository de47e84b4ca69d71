//! The checkpoint: the last entry known to be on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::Link;

/// `audit.head`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
}

// === impl Head ===

impl Head {
    pub(super) fn of(link: &Link) -> Self {
        Self { seq: link.seq, hash: link.hash.clone() }
    }

    /// Beside the log.
    pub(super) fn path(log: &Path) -> PathBuf {
        log.with_file_name("audit.head")
    }

    /// `None` where there is none; an error where it cannot be read.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file in one step, so that a reader never sees half of it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("head.new");
        let mut options = OpenOptions::new();
        let mut file: File =
            options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        std::fs::rename(&beside, path)
    }
}
