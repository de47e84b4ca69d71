//! The audit log: one JSON object a line, each bound to the one before it by
//! its hash, so that an edit, a removal or a move shows. `audit.head` beside it
//! names the last entry that was flushed, so that a cut at the end shows too.
//! Who can write both files can forge both: ship the log off the host.

mod entry;
mod head;
mod lines;
mod segment;
mod entries;
mod storage;
mod writer;
mod open;
mod handle;
mod verify;
mod export;

pub use entries::{Entries, entries};
pub use entry::Entry;
pub use export::{ECS_VERSION, ExportFormat, OCSF_VERSION, ecs, host_name, ocsf};
pub use handle::Audit;
pub use lines::{TailError, tail};
pub use open::AuditError;
pub use verify::{Flaw, Verified, VerifyError, verify};

/// Name of the log in the state directory.
pub const LOG: &str = "audit.jsonl";

#[cfg(test)]
mod tests;
