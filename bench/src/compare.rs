//! Two runs: what has changed beyond the noise of both.

use std::fmt::Write;

use crate::report::{Part, Report, Row, Unit, size_in_words};
use crate::steps;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Beyond the noise, in the good direction.
    Better,
    /// Beyond the noise, in the bad direction.
    Worse,
    /// It was not measured before.
    Appeared,
    /// It is not measured any more.
    Gone,
}

/// A row that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed<'a> {
    /// The row of the run that has it, the newer one if both do.
    pub row: &'a Row,
    /// How.
    pub change: Change,
    /// The median before, where there was one.
    pub before: Option<f64>,
    /// What the medians may differ by without meaning anything.
    pub noise: f64,
}

/// Every row of `new` that differs from `old`, and those that are gone.
pub fn changes<'a>(old: &'a Report, new: &'a Report) -> Vec<Changed<'a>> {
    let mut changed: Vec<Changed<'a>> =
        new.rows.iter().filter_map(|row| changed(row, old, new)).collect();
    let gone = old.rows.iter().filter(|row| row.median().is_some());
    let gone = gone.filter(|row| twin(row, new).is_none_or(|twin| twin.median().is_none()));
    changed.extend(gone.map(|row| Changed {
        row,
        change: Change::Gone,
        before: row.median(),
        noise: 0.0,
    }));
    changed
}

fn changed<'a>(row: &'a Row, old: &Report, new: &Report) -> Option<Changed<'a>> {
    let now = row.median()?;
    let Some(before) = twin(row, old).filter(|twin| twin.median().is_some()) else {
        return Some(Changed { row, change: Change::Appeared, before: None, noise: 0.0 });
    };
    let was = before.median()?;
    let noise = noise(before, old) + noise(row, new);
    if (now - was).abs() <= noise {
        return None;
    }
    let better = if row.unit == Unit::Ratio { now > was } else { now < was };
    let change = if better { Change::Better } else { Change::Worse };
    Some(Changed { row, change, before: Some(was), noise })
}

fn twin<'a>(row: &Row, report: &'a Report) -> Option<&'a Row> {
    report.rows.iter().find(|other| other.key() == row.key() && other.unit == row.unit)
}

/// What the median of a row may be off by in its own run: by chance, and by what
/// two things that are the same differ by there.
pub fn noise(row: &Row, report: &Report) -> f64 {
    let Some(summary) = row.summary() else { return 0.0 };
    let systematic = match row.unit {
        Unit::Ratio => report.control(row.part) * summary.median,
        Unit::NsOverEmpty => {
            let control = report.row(Part::Program, steps::CONTROL, "empty", None);
            control.and_then(Row::summary).map_or(0.0, |c| c.median.abs() + c.doubt())
        }
        // Loading is done once a run; a tenth is what such times scatter by.
        Unit::Ns | Unit::Seconds | Unit::Mebibytes => summary.median / 10.0,
    };
    summary.doubt() + systematic
}

/// The changes as lines, the bad ones first.
pub fn in_words(changes: &[Changed<'_>]) -> String {
    if changes.is_empty() {
        return "nothing has changed beyond the noise of both runs\n".to_owned();
    }
    let mut sorted: Vec<&Changed<'_>> = changes.iter().collect();
    sorted.sort_by_key(|changed| match changed.change {
        Change::Worse => 0,
        Change::Better => 1,
        Change::Gone => 2,
        Change::Appeared => 3,
    });
    let mut text = String::new();
    for Changed { row, change, before, noise } in sorted {
        let size = row.size.map(|size| format!(", {}", size_in_words(size))).unwrap_or_default();
        let name = format!("{}, {}{size}", row.step, row.subject);
        // Writing to a string cannot fail.
        let _infallible = match (change, before, row.median()) {
            (Change::Better | Change::Worse, Some(was), Some(now)) => {
                let word = if *change == Change::Better { "better" } else { "worse" };
                writeln!(
                    text,
                    "{word}: {name}: {was:.3} -> {now:.3} {} (noise {noise:.3})",
                    row.unit
                )
            }
            (Change::Gone, ..) => writeln!(text, "gone: {name}"),
            _ => writeln!(text, "new: {name}"),
        };
    }
    text
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
