//! Real packets at one number of prefixes.

use anyhow::Result;

use crate::order::{Order, Traffic};
use crate::prefixes::Lengths;
use crate::report::{Part, Row, Unit, Value};
use crate::rounds::{self, Sends, Series};
use crate::stats::quotients;
use crate::world::{Contestant, EMPTY, NONE, OURS};

/// Rounds, and milliseconds of a turn.
const ROUNDS: usize = 20;
const TURN: u64 = 8;
/// The number of prefixes at which kinds of traffic are tried that hardly depend on it.
pub const TYPICAL: u32 = 100_000;

/// Subject of the row that says what all ratios are to.
pub const EACH: &str = "none: ns each";

/// What is sent at this number of prefixes.
fn traffics(size: u32) -> Vec<Traffic> {
    let mut traffics = vec![Traffic::Connected];
    if size >= 1_000 {
        traffics.push(Traffic::Random(size, Lengths::Three));
    }
    if size == TYPICAL {
        traffics.extend([
            Traffic::Unconnected,
            Traffic::ConnectedV6,
            Traffic::Denied,
            Traffic::Connects,
            Traffic::Bulk,
        ]);
    }
    traffics
}

/// Lets all contestants send, the rivals that did not come up excepted.
///
/// # Errors
/// The wire without a firewall does not work.
pub fn measure(
    reference: &mut Contestant,
    contestants: &mut [Contestant],
    absent: &[(&'static str, String)],
    size: u32,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for traffic in traffics(size) {
        let order = Order { traffic, ms: TURN };
        let mut taking: Vec<(&'static str, &mut dyn Sends)> = contestants
            .iter_mut()
            .map(|contestant| (contestant.subject, &mut contestant.sender as &mut dyn Sends))
            .collect();
        let all = rounds::take(&mut reference.sender, &mut taking, &order, ROUNDS)?;
        let mut of_this = rows_of(&all, Part::Live, traffic.title(), size);
        of_this.extend(absent.iter().map(|(subject, why)| Row {
            part: Part::Live,
            step: traffic.title().to_owned(),
            subject: (*subject).to_owned(),
            size: Some(size),
            unit: Unit::Ratio,
            value: Value::Missing(why.clone()),
        }));
        rows.extend(of_this);
    }
    Ok(rows)
}

/// What a packet (a connection; for bulk, a byte) takes without a firewall; everybody
/// over no firewall; the product over the empty program too; and each
/// thing that there are two of over itself.
pub fn rows_of(all: &[Series], part: Part, step: &str, size: u32) -> Vec<Row> {
    let row = |subject: String, ratios: Result<Vec<f64>, String>| Row {
        part,
        step: step.to_owned(),
        subject,
        size: Some(size),
        unit: Unit::Ratio,
        value: ratios.map_or_else(Value::Missing, |ratios| Value::of(&ratios)),
    };
    let reference: Vec<f64> = all.iter().flat_map(|series| series.reference_ns.clone()).collect();
    let mut rows = vec![Row {
        unit: Unit::Ns,
        value: Value::of(&reference),
        ..row(EACH.to_owned(), Ok(Vec::new()))
    }];
    let mut seen = vec![NONE];
    for series in all {
        if seen.contains(&series.subject) {
            continue;
        }
        seen.push(series.subject);
        let ratios = rounds::ratios_of(all, series.subject);
        rows.extend(ratios.map(|ratios| row(series.subject.to_owned(), ratios)));
    }
    let both = rounds::ratios_of(all, OURS).zip(rounds::ratios_of(all, EMPTY));
    if let Some((Ok(ours), Ok(empty))) = both {
        rows.push(row(format!("{OURS} / {EMPTY}"), Ok(quotients(&ours, &empty))));
    }
    // The reference is the other "none".
    let none = rounds::ratios_of(all, NONE);
    rows.extend(none.map(|ratios| row(format!("{NONE} / {NONE}"), ratios)));
    for subject in [EMPTY, OURS] {
        let control = rounds::control_of(all, subject);
        rows.extend(control.map(|ratios| row(format!("{subject} / {subject}"), Ok(ratios))));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(subject: &'static str, ratio: f64) -> Series {
        Series { subject, ratios: Ok(vec![ratio; 3]), reference_ns: vec![650.0; 3] }
    }

    #[test]
    fn rows_say_who_over_whom() {
        let all = [
            series(NONE, 1.01),
            series(EMPTY, 0.9),
            series(EMPTY, 1.0),
            series(OURS, 0.8),
            series(OURS, 0.9),
        ];
        let rows = rows_of(&all, Part::Live, "x", 10);
        let said: Vec<_> = rows
            .iter()
            .filter(|row| row.unit == Unit::Ratio)
            .map(|row| (row.subject.as_str(), (row.median().expect("measured") * 1e3).round()))
            .collect();
        let wanted = [
            ("empty", 950.0),
            ("ours", 850.0),
            ("ours / empty", 895.0),
            ("none / none", 1010.0),
            ("empty / empty", 900.0),
            ("ours / ours", 889.0),
        ];
        assert_eq!(said, wanted);
    }

    #[test]
    fn everything_is_tried_at_the_typical_size() {
        assert_eq!(traffics(10), [Traffic::Connected]);
        assert!(traffics(TYPICAL).contains(&Traffic::Bulk));
        assert_eq!(traffics(1_000_000).len(), 2);
    }
}
