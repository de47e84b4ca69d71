//! Tables for people: readable without colour, narrower than 100 columns.

use comfy_table::{CellAlignment, Table, presets};

use crate::report::{Part, Report, Row, Unit, Value, size_in_words};
use crate::targets::{Checked, Limit, Outcome};
use crate::world::OURS;

/// Columns.
const WIDTH: u16 = 98;
/// Longer reasons stand below the table.
const SHORT: usize = 13;

/// Reasons that did not fit their cell.
type Notes = Vec<String>;

/// The whole report.
pub fn of_report(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{}, {} CPUs, Linux {}, {}, {:.0} s\n",
        machine.cpu, machine.cpus, machine.kernel, machine.date, report.seconds
    );
    for part in Part::ALL {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.part == part).collect();
        if !rows.is_empty() {
            text.push_str(&format!("\n{}\n", of_part(part, &rows)));
        }
    }
    text + "\n" + &of_targets(&report.targets)
}

fn of_part(part: Part, rows: &[&Row]) -> String {
    let mut notes = Notes::new();
    let mut sizes: Vec<Option<u32>> = rows.iter().map(|row| row.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut table = plain();
    let mut header = vec![String::new(), String::new()];
    header.extend(sizes.iter().map(|size| size.map_or_else(String::new, size_in_words)));
    table.set_header(header);
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !lines.contains(&(&row.step, &row.subject)) {
            lines.push((&row.step, &row.subject));
        }
    }
    let mut above = "";
    for (step, subject) in lines {
        let mut cells = vec![if step == above { "" } else { step }.to_owned(), subject.to_owned()];
        cells.extend(sizes.iter().map(|&size| {
            let found = rows.iter().find(|row| row.key() == (part, step, subject, size));
            found.map_or_else(String::new, |row| cell(row, &mut notes))
        }));
        table.add_row(cells);
        above = step;
    }
    align(&mut table, 2);
    let notes: Vec<String> =
        (1..).zip(notes).map(|(number, note)| wrapped(&format!("[{number}] {note}"))).collect();
    format!("{}\n{}\n{table}{}", part.title(), units(rows), notes.concat())
}

/// What the numbers of a part are.
fn units(rows: &[&Row]) -> String {
    let mut units: Vec<String> = rows.iter().map(|row| row.unit.to_string()).collect();
    units.dedup();
    units.sort();
    units.dedup();
    format!("({}; median, quartiles below)", units.join(", "))
}

/// The text on lines of its own that are not too long.
fn wrapped(text: &str) -> String {
    let (mut lines, mut width) = (String::from("\n"), 0);
    for word in text.split_whitespace() {
        width += word.chars().count() + 1;
        if width > WIDTH.into() {
            lines.push_str("\n   ");
            width = word.chars().count() + 4;
        }
        lines.push_str(word);
        lines.push(' ');
    }
    lines
}

/// Median, and below it the quartiles.
fn cell(row: &Row, notes: &mut Notes) -> String {
    match &row.value {
        Value::Measured(summary) if summary.rounds < 2 => number(summary.median, row.unit),
        Value::Measured(summary) => {
            let of = |value| number(value, row.unit);
            format!("{}\n{}..{}", of(summary.median), of(summary.low), of(summary.high))
        }
        Value::Missing(why) if why.chars().count() <= SHORT => why.clone(),
        Value::Missing(why) => {
            let known = notes.iter().position(|note| note == why);
            let index = known.unwrap_or_else(|| {
                notes.push(why.clone());
                notes.len() - 1
            });
            let word = if row.subject == OURS { "refused" } else { "failed" };
            format!("{word} [{}]", index + 1)
        }
    }
}

/// As many digits as mean something.
pub fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio | Unit::Seconds => format!("{value:.3}"),
        Unit::Ns | Unit::NsOverEmpty if value >= 1_000.0 => format!("{value:.0}"),
        Unit::Ns | Unit::NsOverEmpty | Unit::Mebibytes => format!("{value:.1}"),
    }
}

/// Each target with its value.
pub fn of_targets(targets: &[Checked]) -> String {
    let mut table = plain();
    table.set_header(["target", "", "limit", "value"]);
    for target in targets {
        let limit = match target.limit {
            Limit::AtMost(limit) => format!("<= {limit}"),
            Limit::AtLeast(limit) => format!(">= {limit}"),
            Limit::InWords => String::new(),
        };
        let (word, value) = match &target.outcome {
            Outcome::Held(value) => ("holds", format!("{value:.3}")),
            Outcome::Missed(value) => ("MISSED", format!("{value:.3}")),
            Outcome::Unmeasured(why) => ("unknown", why.clone()),
        };
        table.add_row([target.name.clone(), word.to_owned(), limit, value]);
    }
    let held = targets.iter().filter(|t| matches!(t.outcome, Outcome::Held(_))).count();
    let missed = targets.iter().filter(|t| matches!(t.outcome, Outcome::Missed(_))).count();
    let unknown = targets.len() - held - missed;
    format!("Targets: {held} hold, {missed} missed, {unknown} not measured\n{table}\n")
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_width(WIDTH);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table
}

fn align(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
#[cfg(test)]
pub(crate) use tests::report as tests_report;
