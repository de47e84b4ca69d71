//! The files of the trail: `audit.jsonl`, which is written, and those it was
//! rotated into, `audit.FIRST.jsonl`, where FIRST is the number of their first
//! entry in 16 digits, so that names sort as entries do.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often the files are listed anew when one went away meanwhile.
const RETRIES: u32 = 100;

/// A file that entries were rotated into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    /// Number of its first entry, by its name.
    pub(super) first: u64,
    pub(super) path: PathBuf,
}

/// A file of the trail, open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

// === impl Segment ===

impl Segment {
    /// Beside the log.
    pub(super) fn path(log: &Path, first: u64) -> PathBuf {
        log.with_file_name(format!("audit.{first:016}.jsonl"))
    }

    fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let digits = name.strip_prefix("audit.")?.strip_suffix(".jsonl")?;
        let first = (digits.len() == 16).then(|| digits.parse().ok())??;
        Some(Self { first, path })
    }

    /// All of them, oldest first.
    pub(super) fn all(log: &Path) -> io::Result<Vec<Self>> {
        let folder = log.parent().unwrap_or(Path::new("."));
        let names: io::Result<Vec<_>> = std::fs::read_dir(folder)?.collect();
        let mut all: Vec<_> = names?.into_iter().filter_map(|name| Self::of(name.path())).collect();
        all.sort();
        Ok(all)
    }
}

/// Every file of the trail, oldest first, as they stand together, also while
/// the daemon rotates or removes some: the log first, since what it is rotated
/// into is listed afterwards. A kill in the middle of a rotation leaves no log.
pub(super) fn open_all(log: &Path) -> io::Result<Vec<Opened>> {
    let mut tries = 0;
    loop {
        let newest = match File::open(log) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound && rotated_before(log) => None,
            Err(error) => return Err(error),
        };
        match open_with(log, newest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < RETRIES => {}
            Ok(None) if tries < RETRIES => {}
            Ok(None) => return Err(io::Error::other("it is rotated faster than it can be opened")),
            Ok(Some(files)) => return Ok(files),
            Err(error) => return Err(error),
        }
        tries += 1;
    }
}

fn rotated_before(log: &Path) -> bool {
    Segment::all(log).is_ok_and(|all| !all.is_empty())
}

/// `None` where `newest` is among the others: it was rotated since.
fn open_with(log: &Path, newest: Option<File>) -> io::Result<Option<Vec<Opened>>> {
    let newest = newest.map(|file| Opened { path: log.into(), file });
    let mut inodes = HashSet::new();
    let mut files = Vec::new();
    for Segment { path, .. } in Segment::all(log)? {
        let file = File::open(&path)?;
        inodes.insert(file.metadata()?.ino());
        files.push(Opened { path, file });
    }
    if let Some(newest) = newest {
        if inodes.contains(&newest.file.metadata()?.ino()) {
            return Ok(None);
        }
        files.push(newest);
    }
    Ok(Some(files))
}
