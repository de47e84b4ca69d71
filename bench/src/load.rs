//! How long it takes to put a policy in force, and what the kernel keeps of it.

use crate::report::{Part, Row, Unit, Value};
use crate::stats::Summary;
use crate::world::{OURS, Ours};

/// Name of the row of times.
pub const TIME: &str = "plan to the kernel";
/// Name of the row of memory.
pub const MEMORY: &str = "memory of the kernel's tables";

/// The rows of the instances of one size; both loaded the same.
pub fn rows(ours: &[Ours], size: u32) -> Vec<Row> {
    let row = |step: &str, unit, series: Vec<f64>| Row {
        part: Part::Load,
        step: step.to_owned(),
        subject: OURS.to_owned(),
        size: Some(size),
        unit,
        value: Value::of(&series),
    };
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    vec![
        row(TIME, Unit::Seconds, ours.iter().map(|one| one.took.as_secs_f64()).collect()),
        row(MEMORY, Unit::Mebibytes, ours.iter().map(|one| mebibytes(one.memory)).collect()),
    ]
}

/// How long a rival's rules took to load.
pub fn rival(subject: &str, size: u32, seconds: f64) -> Row {
    Row {
        part: Part::Load,
        step: TIME.to_owned(),
        subject: subject.to_owned(),
        size: Some(size),
        unit: Unit::Seconds,
        value: Value::Measured(Summary::once(seconds)),
    }
}
