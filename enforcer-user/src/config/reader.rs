//! Reads TOML by hand instead of with serde, so that every error of a file is
//! reported at once, each with its place.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::source::{Source, Spot};
use crate::config::value::Value;
use crate::config::words::{Problem, one_of};

/// Larger files with broken syntax show only their first syntax error.
const MAX_RECOVERED: usize = 256 << 10;

/// A parsed file and the errors found in it so far.
#[derive(Debug)]
pub struct Document<'s> {
    pub(super) source: &'s Source,
    root: Spanned<DeTable<'s>>,
    /// Nothing is there, or some of it is unreadable: what is missing is not
    /// reported key by key.
    incomplete: bool,
    /// Misplaced text may be a secret: it is not shown.
    guarded: bool,
    errors: RefCell<Diagnostics>,
}

/// One table of a document.
#[derive(Clone, Copy, Debug)]
pub struct Table<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) entries: &'d DeTable<'d>,
    pub(super) span: (usize, usize),
    /// Its values may be secrets, so its lines are not shown.
    pub(super) private: bool,
}

// === impl Document ===

impl<'s> Document<'s> {
    /// Parses the text; syntax errors are kept, what is readable is read.
    pub fn parse(source: &'s Source) -> Self {
        let (root, errors) = match DeTable::parse(source.text()) {
            Ok(root) => (root, Vec::new()),
            Err(first) if source.text().len() > MAX_RECOVERED => {
                (Spanned::new(0..0, DeTable::new()), vec![first])
            }
            Err(_) => DeTable::parse_recoverable(source.text()),
        };
        let incomplete = !errors.is_empty() || root.get_ref().is_empty();
        let shown = errors.into_iter().map(|error| {
            let spot = source.spot(error.span().unwrap_or(0..0));
            Diagnostic::at(spot, format!("not TOML: {}", error.message()))
                .hint("see https://toml.io for how tables, lists and strings are written")
        });
        let mut errors = Diagnostics::default();
        errors.extend(shown);
        Self { source, root, incomplete, guarded: false, errors: RefCell::new(errors) }
    }

    /// Parses a file whose values may be secrets put where a reference belongs:
    /// lines that were not understood stay out of terminals and logs.
    pub fn parse_guarded(source: &'s Source) -> Self {
        let mut document = Self::parse(source);
        document.guarded = true;
        document.errors.get_mut().hide_excerpts();
        document
    }

    /// The outermost table.
    pub fn table(&'s self) -> Table<'s> {
        Table { document: self, entries: self.root.get_ref(), span: (0, 0), private: false }
    }

    /// Everything found wrong.
    pub fn into_errors(self) -> Diagnostics {
        self.errors.into_inner()
    }

    pub(super) fn report(&self, span: Range<usize>, private: bool, problem: Problem) {
        let Problem { message, hint } = problem;
        let mut diagnostic = Diagnostic::at(self.source.spot(span), message);
        diagnostic.hint = hint;
        if private {
            diagnostic.excerpt = None;
        }
        let mut errors = self.errors.borrow_mut();
        // What was read from a broken line says nothing more about it.
        if !self.incomplete || errors.iter().all(|error| error.line != diagnostic.line) {
            errors.push(diagnostic);
        }
    }
}

// === impl Table ===

impl<'d> Table<'d> {
    /// Reports every key that is not in `known`.
    pub fn only(&self, known: &[&str]) {
        for (key, _) in self.entries {
            if !known.contains(&key.get_ref().as_ref()) {
                let problem = one_of("key", key.get_ref(), known);
                let private = self.private || self.document.guarded;
                self.document.report(key.span(), private, problem);
            }
        }
    }

    /// The key's value, if it is there.
    pub fn get(&self, key: &str) -> Option<Value<'d>> {
        let value = self.entries.get(key)?;
        Some(Value { document: self.document, value, private: self.private })
    }

    /// The key's value; its absence is an error with `hint`.
    pub fn need(&self, key: &str, hint: &str) -> Option<Value<'d>> {
        let value = self.get(key);
        if value.is_none() && !self.document.incomplete {
            self.error(Problem::new(format!("key `{key}` is missing")).hint(hint));
        }
        value
    }

    /// Demands `version = 1`.
    pub fn version(&self) {
        let hint = "every file starts with `version = 1`";
        let version =
            self.need("version", hint).map(|value| (value, value.integer(i64::MIN..=i64::MAX)));
        if self.entries.is_empty() {
            self.error(Problem::new("the file is empty").hint("start with `version = 1`"));
        }
        if let Some((value, Some(version))) = version
            && version != 1
        {
            let message = format!("version {version} is not known");
            value.error(Problem::new(message).hint("this release reads `version = 1`"));
        }
    }

    /// Reports an error of the table as a whole.
    pub fn error(&self, problem: Problem) {
        self.document.report(self.span.0..self.span.1, self.private, problem);
    }

    /// Where the table stands.
    pub fn spot(&self) -> Spot {
        self.document.source.spot(self.span.0..self.span.1)
    }

    /// Its first byte, to sort tables as they stand in the file.
    pub fn offset(&self) -> usize {
        self.span.0
    }

    /// The file the table is in.
    pub fn source(&self) -> &'d Source {
        self.document.source
    }
}
