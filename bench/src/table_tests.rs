use super::*;
use crate::machine::Machine;
use crate::order::Traffic;
use crate::prefixes::Lengths;
use crate::report::VERSION;
use crate::run::SIZES;
use crate::stats::Summary;
use crate::targets;

/// A report with a bit of everything.
pub(crate) fn report() -> Report {
    let summary = |median| Summary { median, low: median - 0.01, high: median + 0.01, rounds: 24 };
    let row = |step: &str, subject: &str, size, value| Row {
        part: Part::Live,
        step: step.to_owned(),
        subject: subject.to_owned(),
        size: Some(size),
        unit: Unit::Ratio,
        value,
    };
    let mut rows = Vec::new();
    for size in SIZES {
        for traffic in [Traffic::Connected, Traffic::Random(size, Lengths::Three)] {
            let title = traffic.title();
            rows.push(row(title, "empty", size, Value::Measured(summary(0.95))));
            rows.push(row(title, "ours", size, Value::Measured(summary(0.91))));
            let why = format!("nft -f -: could not process rule{}", " of many words".repeat(9));
            rows.push(row(title, "nftables, tree", size, Value::Missing(why)));
            rows.push(row(title, "iptables + ipset", size, Value::Missing("not installed".into())));
        }
    }
    let machine = Machine { cpu: "A processor".to_owned(), cpus: 2, ..Machine::default() };
    let command = "cargo xtask bench".to_owned();
    let targets = targets::check(&rows);
    Report { version: VERSION, machine, command, seconds: 100.0, rows, targets }
}

#[test]
fn a_table_is_narrower_than_a_hundred_columns() {
    let text = of_report(&report());
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest < Some(100), "{widest:?}\n{text}");
    assert!(!text.contains('\x1b'), "no colour");
}

#[test]
fn a_cell_has_the_median_and_the_quartiles() {
    let text = of_report(&report());
    assert!(text.contains("0.910") && text.contains("0.900..0.920"), "{text}");
}

#[test]
fn a_short_reason_stands_in_its_cell_and_a_long_one_below_once() {
    let text = of_report(&report());
    assert!(text.contains("not installed"), "{text}");
    assert_eq!(text.matches("[1] nft -f -").count(), 1, "{text}");
    assert!(text.contains("failed [1]"), "{text}");
}

#[test]
fn a_report_survives_being_written_and_read() {
    let report = report();
    let text = serde_json::to_string(&report).expect("serializes");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("parses"), report);
}
