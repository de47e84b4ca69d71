//! Rounds: everybody takes a turn, and before and after each turn the reference
//! takes one, so that what a turn is compared with was measured around it.

use anyhow::Result;

use crate::driver::Sender;
use crate::order::{Order, Sent, Traffic};
use crate::stats;

/// Whoever can be told to send.
pub trait Sends {
    /// Sends for one turn.
    ///
    /// # Errors
    /// It could not; it takes no further turns then.
    fn send(&mut self, order: &Order) -> Result<Sent>;
}

impl Sends for Sender {
    fn send(&mut self, order: &Order) -> Result<Sent> {
        Self::send(self, order)
    }
}

/// What the rounds of one contestant gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Who.
    pub subject: &'static str,
    /// Its rate over the reference's, a round each; or why there is none.
    pub ratios: Result<Vec<f64>, String>,
    /// What one packet of the reference took around each turn, in nanoseconds.
    pub reference_ns: Vec<f64>,
}

/// Lets everybody send in `rounds` rounds, in another order each time.
///
/// # Errors
/// The reference failed.
pub fn take(
    reference: &mut impl Sends,
    contestants: &mut [(&'static str, &mut dyn Sends)],
    order: &Order,
    rounds: usize,
) -> Result<Vec<Series>> {
    let mut all: Vec<Series> =
        contestants.iter().map(|(subject, _)| Series::new(subject)).collect();
    warm_up(reference, contestants, order, &mut all)?;
    for round in 0..rounds {
        let mut before = reference.send(order)?;
        for place in 0..contestants.len() {
            let index = (place + round) % contestants.len();
            let series = &mut all[index];
            if series.ratios.is_err() {
                continue;
            }
            let turn = contestants[index].1.send(order);
            let after = reference.send(order)?;
            series.add(order.traffic, turn, [before, after]);
            before = after;
        }
    }
    Ok(all)
}

/// Sockets are made and caches filled in a turn that does not count.
fn warm_up(
    reference: &mut impl Sends,
    contestants: &mut [(&'static str, &mut dyn Sends)],
    order: &Order,
    all: &mut [Series],
) -> Result<()> {
    reference.send(order)?;
    for ((_, contestant), series) in contestants.iter_mut().zip(all) {
        if let Err(error) = contestant.send(order) {
            series.ratios = Err(format!("{error:#}"));
        }
    }
    Ok(())
}

// === impl Series ===

impl Series {
    fn new(subject: &'static str) -> Self {
        Self { subject, ratios: Ok(Vec::new()), reference_ns: Vec::new() }
    }

    fn add(&mut self, traffic: Traffic, turn: Result<Sent>, around: [Sent; 2]) {
        let turn = match turn {
            Ok(turn) => turn.rate(traffic),
            Err(error) => return self.ratios = Err(format!("{error:#}")),
        };
        let [before, after] = around;
        let reference = Sent {
            done: before.done + after.done,
            failed: before.failed + after.failed,
            cpu_ns: before.cpu_ns + after.cpu_ns,
            wall_ns: before.wall_ns + after.wall_ns,
        };
        let reference = reference.rate(traffic);
        if let Ok(ratios) = &mut self.ratios {
            ratios.push(turn / reference);
        }
        self.reference_ns.push(1e9 / reference);
    }
}

/// The ratios of all instances of a subject as one series; why not, if any failed.
pub fn ratios_of(all: &[Series], subject: &str) -> Option<Result<Vec<f64>, String>> {
    let mut found = Vec::new();
    for series in all.iter().filter(|series| series.subject == subject) {
        match &series.ratios {
            Ok(ratios) => found.push(ratios.as_slice()),
            Err(why) => return Some(Err(why.clone())),
        }
    }
    (!found.is_empty()).then(|| Ok(stats::means(&found)))
}

/// The first instance of a subject over its second: both are the same.
pub fn control_of(all: &[Series], subject: &str) -> Option<Vec<f64>> {
    let mut twins = all.iter().filter(|series| series.subject == subject);
    let (one, other) = (twins.next()?, twins.next()?);
    Some(stats::quotients(one.ratios.as_ref().ok()?, other.ratios.as_ref().ok()?))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    /// Sends so many a turn in a second; breaks after so many turns.
    struct Fake(u64, u32);

    impl Sends for Fake {
        fn send(&mut self, _: &Order) -> Result<Sent> {
            if self.1 == 0 {
                bail!("broken");
            }
            self.1 -= 1;
            Ok(Sent { done: self.0, failed: 0, cpu_ns: 1_000_000_000, wall_ns: 1_000_000_000 })
        }
    }

    const ORDER: Order = Order { traffic: Traffic::Connected, ms: 1 };

    #[test]
    fn ratios_are_to_the_reference_around_each_turn() {
        let (mut half, mut same) = (Fake(500, 100), Fake(1_000, 100));
        let mut contestants: [(&'static str, &mut dyn Sends); 2] =
            [("half", &mut half), ("same", &mut same)];
        let all = take(&mut Fake(1_000, 100), &mut contestants, &ORDER, 5).expect("rounds");
        assert_eq!(ratios_of(&all, "half"), Some(Ok(vec![0.5; 5])));
        assert_eq!(ratios_of(&all, "same"), Some(Ok(vec![1.0; 5])));
        assert_eq!(all[0].reference_ns, [1e6; 5]);
        assert_eq!(ratios_of(&all, "other"), None);
    }

    #[test]
    fn who_breaks_is_left_out_and_says_why() {
        let (mut breaks, mut goes_on) = (Fake(1, 3), Fake(1, 100));
        let mut contestants: [(&'static str, &mut dyn Sends); 2] =
            [("breaks", &mut breaks), ("goes on", &mut goes_on)];
        let all = take(&mut Fake(1, 100), &mut contestants, &ORDER, 8).expect("rounds");
        assert_eq!(ratios_of(&all, "breaks"), Some(Err("broken".to_owned())));
        assert_eq!(ratios_of(&all, "goes on"), Some(Ok(vec![1.0; 8])));
        assert!(take(&mut Fake(1, 1), &mut [], &ORDER, 2).is_err());
    }

    #[test]
    fn twins_are_joined_and_held_against_each_other() {
        let series = |ratios: &[f64]| Series {
            subject: "x",
            ratios: Ok(ratios.to_vec()),
            reference_ns: Vec::new(),
        };
        let all = [series(&[0.8, 0.9]), series(&[1.0, 0.9])];
        assert_eq!(ratios_of(&all, "x"), Some(Ok(vec![0.9, 0.9])));
        assert_eq!(control_of(&all, "x"), Some(vec![0.8, 1.0]));
        assert_eq!(control_of(&all[..1], "x"), None);
    }
}
