use super::*;
use crate::machine::Machine;
use crate::report::{VERSION, Value};
use crate::stats::Summary;

fn row(subject: &str, median: f64, spread: f64) -> Row {
    let summary = Summary { median, low: median - spread, high: median + spread, rounds: 25 };
    Row {
        part: Part::Live,
        step: "UDP".to_owned(),
        subject: subject.to_owned(),
        size: Some(10),
        unit: Unit::Ratio,
        value: Value::Measured(summary),
    }
}

fn report(rows: Vec<Row>) -> Report {
    let (machine, command) = (Machine::default(), String::new());
    Report { version: VERSION, machine, command, seconds: 1.0, rows, targets: Vec::new() }
}

fn words(old: Vec<Row>, new: Vec<Row>) -> Vec<String> {
    let (old, new) = (report(old), report(new));
    in_words(&changes(&old, &new)).lines().map(str::to_owned).collect()
}

#[test]
fn a_difference_within_the_noise_of_both_is_none() {
    let said = words(vec![row("ours", 0.93, 0.01)], vec![row("ours", 0.935, 0.01)]);
    assert_eq!(said, ["nothing has changed beyond the noise of both runs"]);
}

#[test]
fn a_difference_beyond_the_noise_is_said_with_its_direction() {
    let said = words(vec![row("ours", 0.93, 0.001)], vec![row("ours", 0.95, 0.001)]);
    assert_eq!(said, ["better: UDP, ours, 10: 0.930 -> 0.950 ratio (noise 0.001)"]);
    let said = words(vec![row("ours", 0.95, 0.001)], vec![row("ours", 0.93, 0.001)]);
    assert!(said[0].starts_with("worse: "), "{said:?}");
}

#[test]
fn what_a_run_finds_between_equal_things_is_noise_of_all_its_ratios() {
    let calm = |ours| vec![row("ours", ours, 0.001), row("none / none", 1.0, 0.001)];
    let noisy = |ours| vec![row("ours", ours, 0.001), row("none / none", 1.03, 0.001)];
    assert!(words(calm(0.93), calm(0.95))[0].starts_with("better: UDP, ours"));
    let said = words(calm(0.93), noisy(0.95));
    assert!(!said.iter().any(|line| line.contains("UDP, ours")), "{said:?}");
}

#[test]
fn nanoseconds_are_better_when_there_are_fewer() {
    let ns =
        |median| Row { unit: Unit::NsOverEmpty, part: Part::Program, ..row("ours", median, 0.1) };
    assert!(words(vec![ns(20.0)], vec![ns(10.0)])[0].starts_with("better"));
}

#[test]
fn rows_that_come_and_go_are_named_after_what_got_worse() {
    let old = vec![row("gone", 1.0, 0.0), row("ours", 0.9, 0.0)];
    let missing = Row { value: Value::Missing("not installed".into()), ..row("gone", 1.0, 0.0) };
    let said = words(old, vec![row("came", 1.0, 0.0), row("ours", 0.8, 0.0), missing]);
    assert_eq!(said.len(), 3);
    assert!(said[0].starts_with("worse: UDP, ours"));
    assert_eq!(said[1..], ["gone: UDP, gone, 10", "new: UDP, came, 10"]);
}
