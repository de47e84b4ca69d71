//! The two clocks: wall time for people, the kernel's monotonic time for the
//! way from a packet to a dead token.

use std::time::Duration;

use nix::time::ClockId;
use time::OffsetDateTime;

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
pub(super) fn monotonic_ns() -> u64 {
    let now = ClockId::CLOCK_MONOTONIC.now().map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Now, UTC.
pub(super) fn wall() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
