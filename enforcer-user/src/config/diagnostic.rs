//! What is wrong, where, and what to do about it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::source::Spot;

/// One error in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file; `None` where the error is in none.
    pub file: Option<Arc<PathBuf>>,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 where the whole line is meant.
    pub col: u32,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What is wrong, with the value.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The offending line; `None` where it may hold a secret or is not known.
    pub excerpt: Option<String>,
    /// Bytes of `excerpt` that are meant.
    pub mark: Range<usize>,
    /// The other place, for contradictions between two.
    pub other: Option<Other>,
}

/// The second place of a contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// What is there.
    pub message: String,
    /// The file.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// Its line.
    pub excerpt: String,
    /// Bytes of `excerpt` that are meant.
    pub mark: Range<usize>,
}

/// Every error found, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

// === impl Diagnostic ===

impl Diagnostic {
    /// An error that is in no file.
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            file: None,
            line: 0,
            col: 0,
            span: 0..0,
            message: message.into(),
            hint: None,
            excerpt: None,
            mark: 0..0,
            other: None,
        }
    }

    /// An error of a whole file or folder.
    pub fn file(path: &Path, message: impl Into<String>) -> Self {
        Self { file: Some(Arc::new(path.to_path_buf())), ..Self::general(message) }
    }

    /// An error of a line whose text is not shown.
    pub fn line(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), ..Self::file(path, message) }
    }

    /// An error at a place.
    pub fn at(spot: Spot, message: impl Into<String>) -> Self {
        Self {
            file: Some(spot.file),
            line: spot.line,
            col: spot.col,
            span: spot.span,
            excerpt: Some(spot.excerpt),
            mark: spot.mark,
            ..Self::general(message)
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the second place of a contradiction.
    #[must_use]
    pub fn and(mut self, spot: Spot, message: impl Into<String>) -> Self {
        self.other = Some(Other {
            message: message.into(),
            file: spot.file,
            line: spot.line,
            col: spot.col,
            excerpt: spot.excerpt,
            mark: spot.mark,
        });
        self
    }
}

// === impl Diagnostics ===

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each in turn.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Keeps the lines' text out of terminals and logs.
    pub fn hide_excerpts(&mut self) {
        for one in &mut self.0 {
            one.excerpt = None;
        }
    }

    /// `value` where nothing is wrong.
    ///
    /// # Errors
    /// Everything that is.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The value, or `None` and its errors added here.
    pub fn take<T>(&mut self, result: Result<T, impl Into<Self>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(errors) => {
                self.0.extend(errors.into().0);
                None
            }
        }
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, more: I) {
        self.0.extend(more);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl From<Box<Diagnostic>> for Diagnostics {
    fn from(one: Box<Diagnostic>) -> Self {
        Self::from(*one)
    }
}

impl std::error::Error for Diagnostics {}
