//! Every entry, oldest first, over all files of the trail.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::vec;

use super::entry::Entry;
use super::lines::TailError;
use super::segment::{Opened, open_all};

/// Entries as they stand, not verified.
#[derive(Debug)]
pub struct Entries {
    files: vec::IntoIter<Opened>,
    current: Option<(PathBuf, BufReader<File>)>,
    line: Vec<u8>,
}

/// Begins to read.
///
/// # Errors
/// The log cannot be opened.
pub fn entries(log: &Path) -> Result<Entries, TailError> {
    let files = open_all(log).map_err(|source| TailError::Read { path: log.into(), source })?;
    Ok(Entries { files: files.into_iter(), current: None, line: Vec::new() })
}

// === impl Entries ===

impl Iterator for Entries {
    type Item = Result<Entry, TailError>;

    /// A line that is being written is left out.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.current.is_none() {
                let Opened { path, file } = self.files.next()?;
                self.current = Some((path, BufReader::new(file)));
            }
            let (path, reader) = self.current.as_mut()?;
            self.line.clear();
            match reader.read_until(b'\n', &mut self.line) {
                Err(source) => return Some(Err(TailError::Read { path: path.clone(), source })),
                Ok(_) if self.line.last() == Some(&b'\n') => {
                    let entry = serde_json::from_slice(&self.line);
                    let bad = |source| TailError::Line { path: path.clone(), source };
                    return Some(entry.map_err(bad));
                }
                Ok(_) => self.current = None,
            }
        }
    }
}
