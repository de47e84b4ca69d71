//! `[limits]`: `{ rate = "2000/s", burst = 4000 }`.

use std::time::Duration;

use enforcer_common::Cap;

use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, quoted};
use crate::policy::{Limits, Rate};

/// Default burst of a byte cap, in bytes: four GSO packets of 64 KiB, so that
/// the largest one always fits.
const MIN_BYTE_BURST: u64 = 256 << 10;

const PERIODS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Whether a cap counts bytes or things.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Things,
    Bytes,
}

/// Reads `[limits]`.
pub(super) fn limits(table: &Table<'_>) -> Limits {
    table.only(&["packets", "bytes", "connections", "events", "destinations"]);
    if let Some(value) = table.get("destinations") {
        let problem = Problem::new("the `destinations` limit is not supported by this version");
        value.error(problem.hint("remove it; `connections` caps new connections"));
    }
    let cap = |key, unit| table.get(key).and_then(|value| rate(value, unit));
    Limits {
        packets: cap("packets", Unit::Things),
        bytes: cap("bytes", Unit::Bytes),
        connections: cap("connections", Unit::Things),
        events: cap("events", Unit::Things),
    }
}

fn rate(value: Value<'_>, unit: Unit) -> Option<Rate> {
    let table = value.table()?;
    table.only(&["rate", "burst"]);
    let hint = if unit == Unit::Bytes { "such as \"10MB/s\"" } else { "such as \"2000/s\"" };
    let per_period = table.need("rate", hint)?.parse(|text| per_period(text, unit));
    let burst = table.get("burst").map(|value| burst(value, unit));
    let (units, period) = per_period?;
    let burst = match burst {
        Some(given) => given?,
        None => default_burst(units, period, unit),
    };
    let period_ns = u64::try_from(period.as_nanos()).ok()?;
    if Cap::new(units, period_ns, burst).is_none() {
        let message = format!("the kernel cannot keep this rate with a burst of {burst}");
        value.error(Problem::new(message).hint(
            "a whole burst must refill within two hours: choose a smaller one or a higher rate",
        ));
        return None;
    }
    Some(Rate { units, period, burst })
}

/// A quarter of a second's worth.
fn default_burst(units: u64, period: Duration, unit: Unit) -> u64 {
    let least = if unit == Unit::Bytes { MIN_BYTE_BURST } else { 1 };
    (units / period.as_secs().max(1) / 4).max(least)
}

fn per_period(text: &str, unit: Unit) -> Result<(u64, Duration), Problem> {
    let hint = match unit {
        Unit::Things => "write a number per s, m, h or d: `2000/s`, `300/m`",
        Unit::Bytes => "write bytes per s, m, h or d: `10MB/s`, `512KiB/s`",
    };
    let bad = || Problem::new(format!("{} is not a rate", quoted(text))).hint(hint);
    let (amount, period) = text.split_once('/').ok_or_else(bad)?;
    let seconds = PERIODS.iter().find(|(word, _)| *word == period).ok_or_else(bad)?.1;
    let units = match unit {
        Unit::Things => number(amount),
        Unit::Bytes => size(amount),
    };
    let units = units.ok_or_else(bad)?;
    if units == 0 {
        let problem = Problem::new("a rate of 0 lets nothing through");
        return Err(problem.hint("leave the `[[allow]]` rules out instead"));
    }
    Ok((units, Duration::from_secs(seconds)))
}

fn burst(value: Value<'_>, unit: Unit) -> Option<u64> {
    if unit == Unit::Things || value.is_integer() {
        return u64::try_from(value.integer(1..=i64::MAX)?).ok();
    }
    value.parse(bytes)
}

/// Bytes such as `500MB`, at least one.
pub(super) fn bytes(text: &str) -> Result<u64, Problem> {
    size(text).filter(|bytes| *bytes > 0).ok_or_else(|| {
        let problem = Problem::new(format!("{} is not a size", quoted(text)));
        problem.hint("write bytes as a number, or with a unit: `1MiB`")
    })
}

fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, unit) = text.split_at(digits);
    let factor = SIZES.iter().find(|(word, _)| *word == unit)?.1;
    number(amount)?.checked_mul(factor)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
