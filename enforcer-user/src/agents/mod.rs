//! Which cgroups belong to which agent, and when that changes.

mod claims;
mod mount;
mod scan;
mod watch;

pub use claims::{ClaimError, Claims};
pub use mount::{MountError, cgroup2_mount};
pub use scan::{CANARY_CGROUP, Cgroup, Scan, processes, scan};
pub use watch::{Of, Watch};
