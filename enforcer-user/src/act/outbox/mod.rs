//! The durable outbox: what was decided, on disk before it is tried, so that a
//! crash between a decision and its call loses nothing and repeats nothing.

mod row;
mod store;
mod open;
mod record;
mod holds;

pub use holds::{Hold, Incident};
pub use open::Opened;
pub use record::{Decision, Recorded};
pub use row::{NewRow, Row, RowState, Violation};
pub use store::{Counts, Outbox, OutboxError};

#[cfg(test)]
mod tests;
