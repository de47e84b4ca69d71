//! Medians, quartiles, and what two runs differ by. No measuring here.

use serde::{Deserialize, Serialize};

/// What a series of rounds says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Half of the rounds gave less.
    pub median: f64,
    /// A quarter gave less.
    pub low: f64,
    /// A quarter gave more.
    pub high: f64,
    /// How many rounds there were.
    pub rounds: u32,
}

// === impl Summary ===

impl Summary {
    /// Summarises a series; `None` of an empty one. What is not a number is left out.
    pub fn of(series: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> =
            series.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: quartile(&sorted, 2)?,
            low: quartile(&sorted, 1)?,
            high: quartile(&sorted, 3)?,
            rounds: u32::try_from(sorted.len()).unwrap_or(u32::MAX),
        })
    }

    /// One value that was measured once.
    pub const fn once(value: f64) -> Self {
        Self { median: value, low: value, high: value, rounds: 1 }
    }

    /// How far the median may be off by chance alone: the half-width of a notch
    /// in a box plot (McGill, Tukey, Larsen 1978), outside of which medians of
    /// equal series fall once in twenty times.
    pub fn doubt(&self) -> f64 {
        1.57 * (self.high - self.low) / f64::from(self.rounds.max(1)).sqrt()
    }
}

/// The value that so many quarters of a sorted series are below, between
/// neighbours in proportion.
fn quartile(sorted: &[f64], quarters: u8) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? * usize::from(quarters);
    let below = *sorted.get(place / 4)?;
    let above = *sorted.get(place.div_ceil(4))?;
    Some(below + (above - below) * (place % 4) as f64 / 4.0)
}

/// Quotients of two series, round by round: what disturbs a round disturbs both.
pub fn quotients(over: &[f64], under: &[f64]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over / under).collect()
}

/// The mean of several series, round by round.
pub fn means(series: &[&[f64]]) -> Vec<f64> {
    let rounds = series.iter().map(|one| one.len()).min().unwrap_or(0);
    let mean =
        |round| series.iter().map(|one: &&[f64]| one[round]).sum::<f64>() / series.len() as f64;
    (0..rounds).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_series_lies_between_its_middle_values() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).expect("a series");
        assert_eq!((summary.low, summary.median, summary.high), (1.75, 2.5, 3.25));
        assert_eq!(summary.rounds, 4);
    }

    #[test]
    fn the_quartiles_of_five_are_its_second_and_fourth() {
        let summary = Summary::of(&[50.0, 10.0, 40.0, 20.0, 30.0]).expect("a series");
        assert_eq!((summary.low, summary.median, summary.high), (20.0, 30.0, 40.0));
    }

    #[test]
    fn an_outlier_moves_neither_median_nor_quartiles() {
        let calm = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("a series");
        let wild = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5000.0]).expect("a series");
        assert_eq!(calm, wild);
    }

    #[test]
    fn a_series_of_nothing_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(Summary::of(&[7.0]), Some(Summary::once(7.0)));
    }

    #[test]
    fn doubt_shrinks_with_the_root_of_the_rounds() {
        let of = |rounds| Summary { median: 1.0, low: 0.9, high: 1.1, rounds }.doubt();
        assert!((of(4) / of(16) - 2.0).abs() < 1e-9);
        assert_eq!(Summary::once(3.0).doubt(), 0.0);
    }

    #[test]
    fn series_are_joined_round_by_round() {
        assert_eq!(quotients(&[2.0, 6.0], &[4.0, 3.0]), [0.5, 2.0]);
        assert_eq!(means(&[&[1.0, 2.0, 9.0], &[3.0, 6.0]]), [2.0, 4.0]);
        assert!(means(&[]).is_empty());
    }
}
