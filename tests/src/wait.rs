//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// How long [`eventually`] waits before it gives up: only failures take it, and
/// an emulated machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of kernel records.
pub fn now_ns() -> u64 {
    clock_ns(ClockId::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` minus `CLOCK_MONOTONIC`, in nanoseconds.
pub fn realtime_offset_ns() -> u64 {
    clock_ns(ClockId::CLOCK_REALTIME) - now_ns()
}

fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("the clock can be read");
    u64::try_from(time.tv_sec()).expect("after the epoch") * 1_000_000_000
        + u64::try_from(time.tv_nsec()).expect("not negative")
}

/// Polls until `found` gives something.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was awaited.
pub fn eventually<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, found)
}

/// Polls until `found` gives something, for at most `patience`.
///
/// # Panics
/// After `patience`, naming `what` was awaited.
pub fn within<T>(patience: Duration, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
