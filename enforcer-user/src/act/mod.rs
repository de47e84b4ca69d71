//! What is done about a finding.

pub mod fingerprint;
pub mod outbox;
pub mod secret;
pub mod storm;
mod clock;
