//! The files of the trail: `audit.jsonl`, which is written, and those it was
//! rotated into, `audit.FIRST.jsonl`, where FIRST is the number of their first
//! entry in 16 digits, so that names sort as entries do.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::lines::last_lines;
use super::storage::Rotated;

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

    /// How it ends.
    pub(super) fn closed(self) -> io::Result<Rotated> {
        let file = File::open(&self.path)?;
        let (lines, _) = last_lines(&file, 1)?;
        let last = lines.last().map(Vec::as_slice).unwrap_or_default();
        let last: Entry = serde_json::from_slice(last)?;
        let bytes = file.metadata()?.len();
        Ok(Rotated { bytes, last: last.link(), written: last.time, segment: self })
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

/// `None` where the log was rotated meanwhile: the list may lack what it became,
/// and files that were removed after an entry which is not among these.
fn open_with(log: &Path, newest: Option<File>) -> io::Result<Option<Vec<Opened>>> {
    let mut files = Vec::new();
    for Segment { path, .. } in Segment::all(log)? {
        let file = File::open(&path)?;
        files.push(Opened { path, file });
    }
    let inode = |metadata: io::Result<Metadata>| metadata.ok().map(|metadata| metadata.ino());
    let opened = newest.as_ref().and_then(|file| inode(file.metadata()));
    if opened != inode(std::fs::metadata(log)) {
        return Ok(None);
    }
    files.extend(newest.map(|file| Opened { path: log.into(), file }));
    Ok(Some(files))
}

/// Names in the log's folder are on disk.
pub(super) fn sync_folder(log: &Path) -> io::Result<()> {
    File::open(log.parent().unwrap_or(Path::new(".")))?.sync_all()
}
