//! One file's text and places in it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;

/// Largest file read, in bytes; about a quarter of a million prefixes.
pub const MAX_FILE: u64 = 8 << 20;

/// Most of an offending line that is kept to be shown, in bytes.
const MAX_EXCERPT: usize = 400;

/// A file's text, with its lines counted.
#[derive(Debug)]
pub struct Source {
    path: Arc<PathBuf>,
    text: String,
    /// Offset of each line's first byte.
    lines: Vec<usize>,
}

/// A place in a file, with the line it is in, so that it can be shown when the
/// file is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// The line's text, or the part of it around the place.
    pub excerpt: String,
    /// Bytes of `excerpt`.
    pub mark: Range<usize>,
}

// === impl Source ===

impl Source {
    /// A file's text that is already in memory.
    pub fn new(path: &Path, text: String) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { path: Arc::new(path.to_path_buf()), text, lines }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is missing, unreadable, not a regular file, larger than [`MAX_FILE`],
    /// or not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Box<Diagnostic>> {
        let failed =
            |error: std::io::Error| Diagnostic::file(path, format!("cannot read: {error}"));
        let meta = std::fs::metadata(path).map_err(failed)?;
        // A pipe or device would block or never end.
        if !meta.is_file() {
            let error = Diagnostic::file(path, "not a regular file");
            return Err(Box::new(error.hint("put a file there, or take the name away")));
        }
        if meta.len() > MAX_FILE {
            let message = format!("the file has {} bytes, more than {MAX_FILE}", meta.len());
            let error = Diagnostic::file(path, message);
            return Err(Box::new(error.hint("split it, or name wider prefixes")));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        String::from_utf8(bytes).map(|text| Self::new(path, text)).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
            let error = Diagnostic::line(path, line, format!("not UTF-8 at byte {good}"));
            Box::new(error.hint("save the file as UTF-8"))
        })
    }

    /// The file.
    pub fn path(&self) -> &Arc<PathBuf> {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line of a byte, from 1.
    pub fn line(&self, at: usize) -> u32 {
        let line = self.lines.partition_point(|start| *start <= at);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// The place of `span`, cut to its first line and to whole characters.
    pub fn spot(&self, span: Range<usize>) -> Spot {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let line = self.lines.partition_point(|first| *first <= start);
        let first = self.lines[line - 1];
        let rest = &self.text[first..];
        let text = rest.split('\n').next().unwrap_or(rest).trim_end_matches('\r');
        let from = (start - first).min(text.len());
        let until = span.end.saturating_sub(first).clamp(from, text.len());
        let col = text[..from].chars().count() + 1;
        let (excerpt, mark) = cut(text, from..text.ceil_char_boundary(until));
        Spot {
            file: self.path.clone(),
            line: self.line(start),
            col: u32::try_from(col).unwrap_or(u32::MAX),
            span: start..span.end.clamp(start, self.text.len()),
            excerpt,
            mark,
        }
    }
}

/// The part of a long line around `mark`, and `mark` in it.
fn cut(line: &str, mark: Range<usize>) -> (String, Range<usize>) {
    if line.len() <= MAX_EXCERPT {
        return (line.to_owned(), mark);
    }
    let from = line.floor_char_boundary(mark.start.saturating_sub(MAX_EXCERPT / 4));
    let until = line.ceil_char_boundary((from + MAX_EXCERPT).min(line.len()));
    let end = mark.end.min(until);
    (line[from..until].to_owned(), mark.start - from..end - from)
}
