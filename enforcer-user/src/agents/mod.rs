//! Which cgroups belong to which agent, and when that changes.

mod claims;
mod scan;
mod watch;

pub use claims::{ClaimError, Claims};
pub use scan::{CANARY_CGROUP, Cgroup, Scan, processes, scan};
pub use watch::{Of, Watch};
