//! One value of a document, read as the type it is meant to have.

use toml::Spanned;
use toml::de::DeValue;
use toml::value::Datetime;

use crate::config::reader::{Document, Table};
use crate::config::source::Spot;
use crate::config::words::Problem;

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) value: &'d Spanned<DeValue<'d>>,
    pub(super) private: bool,
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

    fn wrong<T>(&self, wanted: &str, hint: &str) -> Option<T> {
        let got = article(self.value.get_ref().type_str());
        self.error(Problem::new(format!("expected {wanted}, found {got}")).hint(hint));
        None
    }

    /// A string.
    pub fn string(&self) -> Option<&'d str> {
        self.value
            .get_ref()
            .as_str()
            .or_else(|| self.wrong("a string", "write it in quotes: `\"…\"`"))
    }

    /// A string that `parse` understands.
    pub fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        parse(self.string()?).map_err(|problem| self.error(problem)).ok()
    }

    /// An integer within `range`.
    pub fn integer(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let Some(integer) = self.value.get_ref().as_integer() else {
            return self.wrong("an integer", "write a whole number without quotes");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            let problem = Problem::new(format!("{integer} is out of range"));
            self.error(problem.hint(format!("write a number from {low} to {high}")));
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
        self.value
            .get_ref()
            .as_bool()
            .or_else(|| self.wrong("a boolean", "write `true` or `false` without quotes"))
    }

    /// A date, with or without a time.
    pub fn datetime(&self, example: &str) -> Option<&'d Datetime> {
        let hint = format!("write {example}, without quotes");
        self.value.get_ref().as_datetime().or_else(|| self.wrong("a date", &hint))
    }

    /// A list with at least one element.
    pub fn list(&self) -> Option<Vec<Value<'d>>> {
        let Some(array) = self.value.get_ref().as_array() else {
            let hint = "write it in brackets: `[\"…\"]`; for tables, `[[…]]` above each";
            return self.wrong("a list", hint);
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
        let found = article(self.value.get_ref().type_str());
        let problem = Problem::new(format!("expected a table, found {found}"));
        self.table_or(|| problem.hint("write `{ key = value }`, or the keys below a `[…]` line"))
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
