//! The storm budget: one bad policy must not revoke a fleet.

use time::OffsetDateTime;

use crate::config::StormBudget;

/// Automatic revocations that may still be made at `now`, after those
/// `created` before. Rows from the future (a clock set back) count: too few
/// revocations are repaired by hand, too many are not.
pub fn left(
    budget: StormBudget,
    created: impl Iterator<Item = OffsetDateTime>,
    now: OffsetDateTime,
) -> u32 {
    let spent = created.filter(|&at| now - at < budget.per).count();
    budget.revocations.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BUDGET: StormBudget = StormBudget { revocations: 3, per: Duration::from_secs(600) };

    fn at(second: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn what_was_spent_within_the_window_is_gone() {
        let left = |now| left(BUDGET, [at(0), at(100), at(599)].into_iter(), at(now));
        assert_eq!([left(599), left(600), left(700), left(1199)], [0, 1, 2, 3]);
    }

    #[test]
    fn a_budget_of_zero_revokes_nothing() {
        let none = StormBudget { revocations: 0, ..BUDGET };
        assert_eq!(left(none, std::iter::empty(), at(0)), 0);
    }

    #[test]
    fn a_clock_set_back_does_not_refill_the_budget() {
        assert_eq!(left(BUDGET, [at(9000); 3].into_iter(), at(0)), 0);
    }
}
