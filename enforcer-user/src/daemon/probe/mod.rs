//! Proof from inside: a child process that goes into an agent's cgroup, sends
//! what must be refused, and comes back.

mod child;
mod place;
mod prober;
mod report;
mod shots;

pub use child::main;
pub(super) use place::make;
pub use prober::{ProbeError, Prober};
pub use report::{Outcome, Report, Shot};

/// The hidden subcommand under which the binary is the child.
pub const SUBCOMMAND: &str = "__probe";
