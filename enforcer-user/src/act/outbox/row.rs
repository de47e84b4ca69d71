//! One revocation on its way.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The violation behind a revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// `CLOCK_MONOTONIC` in the kernel, nanoseconds; means something only
    /// while `boot_id` is the running kernel's.
    pub ktime_ns: u64,
    /// `/proc/sys/kernel/random/boot_id` of then.
    pub boot_id: String,
    /// Wall time, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
}

/// How far a revocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    /// To be tried, or tried again.
    Pending,
    /// The provider confirmed that the credential is dead.
    Confirmed,
    /// Given up; waits for a person.
    Dead,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// The credential's id.
    pub credential: String,
    /// The agent that caused it; `None` for a revocation by hand.
    pub agent: Option<String>,
    /// The finding behind it; `None` for a revocation by hand.
    pub finding: Option<Uuid>,
    /// Why, for people.
    pub reason: String,
    /// Decided by a rule, so it counts towards the storm budget.
    pub automatic: bool,
    /// The violation; for a revocation by hand, the moment of the command.
    pub violation: Violation,
    /// Fingerprint of the secret; `None` where it could not be read.
    pub fingerprint: Option<String>,
}

/// One revocation, as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// UUID version 7; also the idempotency key towards providers.
    pub id: Uuid,
    /// The credential's id.
    pub credential: String,
    /// The agent that caused it.
    pub agent: Option<String>,
    /// The finding behind it.
    pub finding: Option<Uuid>,
    /// Why, for people.
    pub reason: String,
    /// Counts towards the storm budget.
    pub automatic: bool,
    /// When it was decided, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// The violation behind it.
    pub violation: Violation,
    /// Fingerprint of the secret.
    pub fingerprint: Option<String>,
    /// Attempts that ended, with whatever result.
    pub attempts: u32,
    /// Not to be tried before, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub next_attempt: OffsetDateTime,
    /// How far it is.
    pub state: RowState,
    /// The provider took the revocation, death is not confirmed yet.
    pub accepted: bool,
    /// What went wrong last, without secrets.
    pub last_error: Option<String>,
}

// === impl RowState ===

impl RowState {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Dead => "dead",
        }
    }
}

// === impl NewRow ===

impl NewRow {
    /// The row as it is first written.
    pub(super) fn into_row(self, now: OffsetDateTime) -> Row {
        let Self { credential, agent, finding, reason, automatic, violation, fingerprint } = self;
        Row {
            id: Uuid::now_v7(),
            credential,
            agent,
            finding,
            reason,
            automatic,
            created: now,
            violation,
            fingerprint,
            attempts: 0,
            next_attempt: now,
            state: RowState::Pending,
            accepted: false,
            last_error: None,
        }
    }
}

// === impl Row ===

impl Row {
    /// Under which the row is found again: one for each value of a credential.
    pub(super) fn key(&self) -> String {
        key(&self.credential, self.fingerprint.as_deref())
    }
}

/// NUL occurs in neither part.
pub(super) fn key(credential: &str, fingerprint: Option<&str>) -> String {
    format!("{credential}\0{}", fingerprint.unwrap_or_default())
}
