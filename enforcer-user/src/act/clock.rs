//! The two clocks: wall time for people, the kernel's monotonic time for the
//! way from a packet to a dead token.

use time::OffsetDateTime;

pub(super) use crate::kernel::monotonic_ns;

/// Now, UTC.
pub(super) fn wall() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
