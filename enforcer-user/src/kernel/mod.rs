//! The kernel side as the daemon sees it: programs, links, maps.
//!
//! Everything is pinned. Dropping [`Kernel`] leaves the enforcement as it is;
//! only [`detach`] ends it.

mod error;
mod sys;
mod load;
mod mount;
mod mapped;
mod maps;
mod lsm;
mod unlisted;
mod programs;
mod links;
mod arena;
mod bind;
mod passes;
mod resident;
mod slots;
mod counters;
mod rings;
mod own_files;
mod state;
mod apply;
mod agents;
mod resets;
mod explain;
mod kinds;

pub use agents::{Occupancy, QuarantineState, monotonic_ns};
pub use counters::AgentCounters;
pub use error::KernelError;
pub use explain::{Explanation, Pins};
pub use kinds::{try_program, try_tracepoint};
pub use lsm::{LayerState, Means, Probe, probe as probe_hooks};
pub use mount::cgroup2_mount;
#[cfg(test)]
pub(crate) use programs::HOOKUPS;
pub use programs::embedded;
pub use resets::Resets;
pub use rings::{ProgramLog, Rings};
pub use state::{Kernel, Paths, Start, detach};
pub use sys::cgroup_id;
