//! The daemon: it ties the parts together, in the order data flows, and proves
//! that what it tied holds.

mod adopt;
mod binding;
pub mod control;
mod core;
mod desk;
mod disconnect;
mod exposed;
mod failure;
mod files;
mod hands;
mod holds;
mod host;
mod judge;
mod log;
mod losses;
mod policies;
pub mod probe;
mod proofs;
pub mod protocol;
mod pump;
mod reload;
mod remembered;
mod run;
mod sampling;
mod selfcheck;
mod show;
mod start;
mod tick;

pub use run::run;
