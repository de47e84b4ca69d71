//! The daemon and the command line, as modules in the order data flows. A
//! module imports only from those above it; `tests/structure.rs` reads the
//! `use` lines and fails on any other edge.

pub mod config;
pub mod policy;
pub mod compile;
pub mod kernel;
pub mod sockets;
pub mod agents;
pub mod events;
pub mod correlate;
pub mod act;
pub mod audit;
pub mod metrics;
pub mod daemon;
pub mod cli;
