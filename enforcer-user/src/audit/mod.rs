//! The audit log: one JSON object a line, each bound to the one before it by
//! its hash, so that an edit, a removal or a move shows. `audit.head` beside it
//! names the last entry that was flushed, so that a cut at the end shows too.
//! Who can write both files can forge both: ship the log off the host.
//!
//! By size and by day the log is rotated into files that the chain goes
//! through; the first entry of a day is a checkpoint of the days before. What
//! is too old is removed, after an entry that says so, so that what retention
//! removed is told from what somebody else did.

mod entry;
mod head;
mod lines;
mod segment;
mod entries;
mod storage;
mod writer;
mod rotation;
mod open;
mod handle;
mod verify;
mod export;
mod sink;

pub use entries::{Entries, entries};
pub use entry::Entry;
pub use export::{ECS_VERSION, OCSF_VERSION, ecs, host_name, ocsf};
pub use handle::Audit;
pub use lines::{TailError, tail};
pub use open::AuditError;
pub use sink::{Sink, SinkStatus, SinkView, start_sinks};
pub use verify::{Flaw, Verified, VerifyError, verify, verify_against};

/// Name of the log in the state directory.
pub const LOG: &str = "audit.jsonl";

#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod tests;
