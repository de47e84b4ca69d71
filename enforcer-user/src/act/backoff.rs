//! When to try again, and when to give up.

use std::time::Duration;

use uuid::Uuid;

/// Wait after the first attempt; doubles with each one.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Attempts after which a revocation is given up.
pub const MAX_ATTEMPTS: u32 = 20;
/// Attempts before which age alone gives nothing up: a host that was off for a
/// day has only just begun to try, and its network may not be up yet.
pub const MIN_ATTEMPTS: u32 = 10;
/// Time after which a revocation is given up.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Wait after `attempts` attempts (at least 1): exponential, ± 25 % so that a
/// fleet does not come back all at once. `after` is the provider's own wish.
pub(super) fn wait(attempts: u32, after: Option<Duration>) -> Duration {
    let doubled =
        FIRST.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let jittered = doubled.min(LONGEST).mul_f64(0.75 + 0.5 * random_fraction());
    jittered.max(after.unwrap_or_default())
}

/// Whether a row that was tried so often, for a violation that is so old, is
/// given up.
pub(super) fn over(attempts: u32, age: Duration) -> bool {
    attempts >= MAX_ATTEMPTS || (attempts >= MIN_ATTEMPTS && age >= MAX_AGE)
}

/// In 0..1, from the random bits of a UUID: enough for jitter.
fn random_fraction() -> f64 {
    let bits = Uuid::now_v7().as_u64_pair().1 & 0xffff_ffff;
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit a f64 exactly")]
    let fraction = bits as f64 / f64::from(u32::MAX);
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_bounded() {
        for attempts in 1..=MAX_ATTEMPTS {
            let plain = FIRST.saturating_mul(1 << (attempts - 1)).min(LONGEST);
            let wait = wait(attempts, None);
            assert!(wait >= plain.mul_f64(0.75) && wait <= plain.mul_f64(1.25), "{wait:?}");
        }
        assert!(wait(u32::MAX, None) <= LONGEST.mul_f64(1.25));
    }

    #[test]
    fn the_providers_wish_is_a_lower_bound() {
        assert!(wait(1, Some(Duration::from_secs(60))) >= Duration::from_secs(60));
    }

    #[test]
    fn a_row_is_given_up_by_count_or_by_age() {
        assert!(over(MAX_ATTEMPTS, Duration::ZERO) && over(MIN_ATTEMPTS, MAX_AGE));
        assert!(!over(MAX_ATTEMPTS - 1, MAX_AGE / 2));
    }

    #[test]
    fn a_row_that_waited_for_the_host_to_come_back_is_tried_in_earnest() {
        assert!(!over(1, 3 * MAX_AGE) && !over(MIN_ATTEMPTS - 1, 3 * MAX_AGE));
    }
}
