//! Revokers: each kills a credential its own way and decides, for whatever the
//! other side answers, between done, again later, and given up.

mod outcome;
mod redact;
mod http;
mod assertion;
mod provider;
mod providers;
mod notice;
mod webhook;
mod command;
mod dispatch;

pub use dispatch::{Job, attempt, calls, provider};
pub(crate) use http::innermost;
pub use http::{ClientError, client};
pub use outcome::{Outcome, Proof};
