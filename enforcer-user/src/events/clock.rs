//! The kernel's clock and people's clock.

use nix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;

/// UTC of a time of `CLOCK_MONOTONIC`, to the microsecond. The offset between
/// both clocks is measured at each call, so a stepped wall clock is followed.
pub fn wall_clock(ktime_ns: u64) -> OffsetDateTime {
    let offset = read(ClockId::CLOCK_REALTIME) - read(ClockId::CLOCK_MONOTONIC);
    let nanos = i128::from(ktime_ns) + offset;
    let micros = nanos - nanos.rem_euclid(1_000);
    OffsetDateTime::from_unix_timestamp_nanos(micros).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A clock in nanoseconds. Neither clock can fail on Linux (clock_gettime(2)
/// fails only for clocks that do not exist).
fn read(clock: ClockId) -> i128 {
    clock_gettime(clock)
        .map(|t| i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec()))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::monotonic_ns;

    #[test]
    fn now_on_the_kernels_clock_is_now_on_the_wall() {
        let distance = (OffsetDateTime::now_utc() - wall_clock(monotonic_ns())).abs();
        assert!(distance < time::Duration::milliseconds(100), "{distance}");
    }

    #[test]
    fn a_time_no_calendar_holds_does_not_panic() {
        let _time = wall_clock(u64::MAX);
        assert_eq!(wall_clock(1_234_567).nanosecond() % 1_000, 0);
    }
}
