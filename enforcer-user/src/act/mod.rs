//! What is done about a finding: alert, quarantine, revoke. [`Act`] is the
//! handle the daemon holds; the worker behind it does one thing after the
//! other, in the order of the ladder, and reports every step.

pub mod backoff;
pub mod fingerprint;
pub mod outbox;
pub mod revoke;
pub mod secret;
pub mod storm;
mod clock;
mod report;
mod shared;
mod worker;
mod handle;

pub use handle::{Accepted, Act, CredentialState, RevokeError, RevokePlan, Setup, StartError};
pub use report::{Report, RevocationReport};
pub use worker::{Cut, QuarantineError, QuarantineHandle, WorkerError};
