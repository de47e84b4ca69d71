//! What a run ends with: a table, every failure, every skip with its reason,
//! and one line for machines.

use crate::test::guest::LEFT_OUT;
use crate::test::libtest::Outcome;
use crate::test::place::Place;
use crate::test::tier::Tier;

/// One place's line.
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) rows: Vec<Row>,
    /// What the tests left on the host; each counts as a failure.
    pub(crate) leftovers: Vec<String>,
}

impl Summary {
    pub(crate) fn passed(&self) -> bool {
        self.failures() == 0 && self.total(|outcome| outcome.passed) > 0
    }

    pub(crate) fn print(&self) {
        println!(
            "\n{:<12} {:>7} {:>7} {:>8} {:>8}",
            "tier", "passed", "failed", "skipped", "seconds"
        );
        for Row { place, outcome, seconds } in &self.rows {
            let Outcome { passed, failed, skipped } = outcome;
            println!(
                "{place:<12} {passed:>7} {:>7} {:>8} {seconds:>8.1}",
                failed.len(),
                skipped.len()
            );
        }
        self.print_details();
        let (passed, skipped) =
            (self.total(|outcome| outcome.passed), self.total(|outcome| outcome.skipped.len()));
        println!("\n{passed} passed, {} failed, {skipped} skipped", self.failures());
    }

    fn print_details(&self) {
        for row in &self.rows {
            for skip in &row.outcome.skipped {
                let why = skip.allowed.as_deref().unwrap_or("NOT ALLOWED");
                println!("skipped: {}: {}: {} ({why})", row.place, skip.test, skip.reason);
            }
            row.outcome
                .failed
                .iter()
                .for_each(|failed| println!("failed: {}: {failed}", row.place));
        }
        if self.rows.iter().any(|row| row.place.tier == Tier::Vm) {
            LEFT_OUT.iter().for_each(|left| println!("not run in the guest: {left}"));
        }
        self.leftovers.iter().for_each(|left| println!("failed: left behind: {left}"));
    }

    fn failures(&self) -> usize {
        self.total(|outcome| outcome.failed.len()) + self.leftovers.len()
    }

    fn total(&self, count: impl Fn(&Outcome) -> usize) -> usize {
        self.rows.iter().map(|row| count(&row.outcome)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(passed: usize, leftovers: &[&str]) -> Summary {
        let outcome = Outcome { passed, ..Outcome::default() };
        let rows = vec![Row { place: Tier::Pure.into(), outcome, seconds: 0.0 }];
        Summary { rows, leftovers: leftovers.iter().map(|&left| left.to_owned()).collect() }
    }

    #[test]
    fn a_run_without_a_test_or_with_a_leftover_has_not_passed() {
        assert!(summary(1, &[]).passed());
        assert!(!summary(0, &[]).passed());
        assert!(!summary(1, &["netns enforcer-x"]).passed());
    }
}
