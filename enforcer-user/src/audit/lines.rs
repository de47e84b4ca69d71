//! The end of the log, without reading all of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::segment::{Opened, open_all};

/// Read backwards in blocks of this size.
const BLOCK: u64 = 64 * 1024;

/// Why the end of the log cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// It cannot be read.
    #[error("read audit log {}: {source}", path.display())]
    Read {
        /// The log.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A line is no entry.
    #[error(
        "audit log {} holds a line that is no entry: {source}; hint: enforcer audit verify",
        path.display()
    )]
    Line {
        /// The log.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

/// The last `n` entries over all files, oldest first. A line that is being
/// written is left out.
pub fn tail(log: &Path, n: usize) -> Result<Vec<Entry>, TailError> {
    let files = open_all(log).map_err(|source| TailError::Read { path: log.into(), source })?;
    let mut entries: Vec<Entry> = Vec::new();
    for Opened { path, file } in files.iter().rev() {
        let missing = n - entries.len();
        if missing == 0 {
            break;
        }
        let read = |source| TailError::Read { path: path.clone(), source };
        let (lines, _) = last_lines(file, missing).map_err(read)?;
        let parse = |line: &Vec<u8>| {
            let bad = |source| TailError::Line { path: path.clone(), source };
            serde_json::from_slice(line).map_err(bad)
        };
        let older: Result<Vec<_>, _> = lines.iter().map(parse).collect();
        entries.splice(..0, older?);
    }
    Ok(entries)
}

/// The last `n` whole lines without newlines, and how many bytes follow the
/// last newline.
pub(super) fn last_lines(file: &File, n: usize) -> io::Result<(Vec<Vec<u8>>, u64)> {
    let mut start = file.metadata()?.len();
    let mut bytes = Vec::new();
    // One newline more than lines: the one that ends the line before them.
    while start > 0 && newlines(&bytes) <= n {
        let size = start.min(BLOCK);
        start -= size;
        let mut block = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact_at(&mut block, start)?;
        block.extend_from_slice(&bytes);
        bytes = block;
    }
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let torn = (bytes.len() - whole) as u64;
    let mut lines: Vec<_> = bytes[..whole].split_inclusive(|&byte| byte == b'\n').collect();
    let lines = lines.split_off(lines.len().saturating_sub(n));
    Ok((lines.into_iter().map(|line| line[..line.len() - 1].to_vec()).collect(), torn))
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}
