use super::*;
use crate::report::Unit;
use crate::stats::Summary;

fn row(part: Part, step: &str, subject: &str, size: u32, median: f64) -> Row {
    Row {
        part,
        step: step.to_owned(),
        subject: subject.to_owned(),
        size: Some(size),
        unit: Unit::Ratio,
        value: Value::Measured(Summary::once(median)),
    }
}

fn outcome(rows: &[Row], name: &str) -> Outcome {
    let all = check(rows);
    let mut found = all.into_iter().filter(|target| target.name.contains(name));
    found.next().unwrap_or_else(|| panic!("no target {name}")).outcome
}

fn connects(ratio: f64) -> Vec<Row> {
    vec![row(Part::Live, Traffic::Connects.title(), OURS, crate::live::TYPICAL, ratio)]
}

#[test]
fn a_target_holds_at_its_limit_and_not_below() {
    assert_eq!(outcome(&connects(0.95), "TCP connects"), Outcome::Held(0.95));
    assert_eq!(outcome(&connects(0.949), "TCP connects"), Outcome::Missed(0.949));
}

#[test]
fn nothing_holds_without_a_measurement() {
    for target in check(&[]) {
        assert!(matches!(target.outcome, Outcome::Unmeasured(_)), "{target:?}");
    }
    let refused = Row { value: Value::Missing("refused".into()), ..connects(1.0).remove(0) };
    assert_eq!(outcome(&[refused], "TCP connects"), Outcome::Unmeasured("refused".into()));
}

#[test]
fn the_hot_packet_is_judged_by_its_worst_step() {
    let of = |step, ns| row(Part::Program, step, OURS, 10, ns);
    let mut rows = vec![of(HOT_V4, 5.0), of(HOT_V6, 6.0), of(CAPPED_V4, 11.0)];
    assert!(matches!(outcome(&rows, "hot packet"), Outcome::Unmeasured(_)));
    rows.push(of(CAPPED_V6, 9.0));
    assert_eq!(outcome(&rows, "hot packet"), Outcome::Missed(11.0));
}

#[test]
fn rivals_are_measured_by_the_best_of_them() {
    let of = |subject, ratio| row(Part::Live, Traffic::Connected.title(), subject, 10, ratio);
    let rows = [of(OURS, 0.9), of(NFT, 0.6), of(NFT_BITMAPS, 0.75)];
    match outcome(&rows, "ours / nftables (the faster set), 10 prefixes") {
        Outcome::Held(value) => assert!((value - 1.2).abs() < 1e-9),
        other @ (Outcome::Missed(_) | Outcome::Unmeasured(_)) => panic!("{other:?}"),
    }
}
