//! Reads TOML by hand instead of with serde, so that every error of a file is
//! reported at once, each with its place.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::source::{Source, Spot};
use crate::config::words::{Problem, one_of};

/// Larger files with broken syntax show only their first syntax error.
const MAX_RECOVERED: usize = 256 << 10;

/// A parsed file and the errors found in it so far.
#[derive(Debug)]
pub struct Document<'s> {
    source: &'s Source,
    root: Spanned<DeTable<'s>>,
    /// The syntax is broken, so what is missing may only be unreadable.
    broken: bool,
    errors: RefCell<Diagnostics>,
}

/// One table of a document.
#[derive(Clone, Copy, Debug)]
pub struct Table<'d> {
    document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    span: (usize, usize),
    /// Its values may be secrets, so its lines are not shown.
    private: bool,
}

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    value: &'d Spanned<DeValue<'d>>,
    private: bool,
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
        let broken = !errors.is_empty();
        let shown = errors.into_iter().map(|error| {
            let spot = source.spot(error.span().unwrap_or(0..0));
            Diagnostic::at(spot, format!("not TOML: {}", error.message()))
        });
        let mut errors = Diagnostics::default();
        errors.extend(shown);
        Self { source, root, broken, errors: RefCell::new(errors) }
    }

    /// The outermost table.
    pub fn table(&'s self) -> Table<'s> {
        Table { document: self, entries: self.root.get_ref(), span: (0, 0), private: false }
    }

    /// Everything found wrong.
    pub fn into_errors(self) -> Diagnostics {
        self.errors.into_inner()
    }

    fn report(&self, span: Range<usize>, private: bool, problem: Problem) {
        let Problem { message, hint } = problem;
        let mut diagnostic = Diagnostic::at(self.source.spot(span), message);
        diagnostic.hint = hint;
        let diagnostic = if private { diagnostic.without_excerpt() } else { diagnostic };
        self.errors.borrow_mut().push(diagnostic);
    }
}

// === impl Table ===

impl<'d> Table<'d> {
    /// Reports every key that is not in `known`.
    pub fn only(&self, known: &[&str]) {
        for (key, _) in self.entries {
            if !known.contains(&key.get_ref().as_ref()) {
                let problem = one_of("key", key.get_ref(), known);
                self.document.report(key.span(), self.private, problem);
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
        if value.is_none() && !self.document.broken {
            self.error(Problem::new(format!("key `{key}` is missing")).hint(hint));
        }
        value
    }

    /// Demands `version = 1`.
    pub fn version(&self) {
        let empty = self.entries.is_empty() && !self.document.broken;
        if empty {
            return self.error(Problem::new("the file is empty").hint("start with `version = 1`"));
        }
        let hint = "every file starts with `version = 1`";
        if let Some(value) = self.need("version", hint)
            && let Some(version) = value.integer(0..=i64::MAX)
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

// === impl Value ===

impl<'d> Value<'d> {
    /// Keeps this value's line out of error messages.
    #[must_use]
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// Reports an error of this value.
    pub fn error(&self, problem: Problem) {
        self.document.report(self.value.span(), self.private, problem);
    }

    /// Where it stands.
    pub fn spot(&self) -> Spot {
        self.document.source.spot(self.value.span())
    }

    fn wrong<T>(&self, wanted: &str) -> Option<T> {
        let got = self.value.get_ref().type_str();
        self.error(Problem::new(format!("expected {wanted}, found {}", article(got))));
        None
    }

    /// A string.
    pub fn string(&self) -> Option<&'d str> {
        self.value.get_ref().as_str().or_else(|| self.wrong("a string"))
    }

    /// A string that `parse` understands.
    pub fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        parse(self.string()?).map_err(|problem| self.error(problem)).ok()
    }

    /// An integer within `range`.
    pub fn integer(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let Some(integer) = self.value.get_ref().as_integer() else {
            return self.wrong("an integer");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            self.error(Problem::new(format!("{integer} is not between {low} and {high}")));
        }
        number
    }

    /// A 32-bit number, at least `low`.
    pub fn count(&self, low: u32) -> Option<u32> {
        u32::try_from(self.integer(low.into()..=u32::MAX.into())?).ok()
    }

    /// Whether it is an integer, where more than one type is accepted.
    pub fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.wrong("`true` or `false`"))
    }

    /// A date, with or without a time.
    pub fn datetime(&self, wanted: &str) -> Option<&'d Datetime> {
        self.value.get_ref().as_datetime().or_else(|| self.wrong(wanted))
    }

    /// A list with at least one element.
    pub fn list(&self) -> Option<Vec<Value<'d>>> {
        let Some(array) = self.value.get_ref().as_array() else {
            return self.wrong("a list");
        };
        if array.is_empty() {
            let hint = "an empty list never means \"everything\": fill it, or leave the key out";
            self.error(Problem::new("the list is empty").hint(hint));
            return None;
        }
        Some(array.iter().map(|value| Value { value, ..*self }).collect())
    }

    /// A list whose elements `parse` understands; `None` if any is not.
    pub fn list_of<T>(&self, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<Vec<T>> {
        let parsed: Vec<_> = self.list()?.iter().map(|item| item.parse(&parse)).collect();
        parsed.into_iter().collect()
    }

    /// A table.
    pub fn table(&self) -> Option<Table<'d>> {
        let found = self.value.get_ref().type_str();
        self.table_or(|| Problem::new(format!("expected a table, found {}", article(found))))
    }

    /// A table; anything else is the given problem.
    pub fn table_or(&self, problem: impl FnOnce() -> Problem) -> Option<Table<'d>> {
        let Some(entries) = self.value.get_ref().as_table() else {
            self.error(problem());
            return None;
        };
        let span = self.value.span();
        let span = (span.start, span.end);
        Some(Table { document: self.document, entries, span, private: self.private })
    }

    /// A list of tables (`[[key]]`).
    pub fn tables(&self) -> Vec<Table<'d>> {
        let items = self.list().unwrap_or_default();
        items.iter().filter_map(Value::table).collect()
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'i']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
