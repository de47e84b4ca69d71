//! What a webhook's receiver and a command are told: everything needed to find
//! and kill the credential, and no secret. The receiver knows the credential by
//! its id; the fingerprint tells it from an earlier value.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::act::outbox::Row;

/// The body, version 1.
#[derive(Debug, Serialize)]
pub(super) struct Notice<'a> {
    version: u32,
    r#type: &'static str,
    /// The same for every attempt: also the idempotency key.
    id: Uuid,
    credential: &'a str,
    fingerprint: Option<&'a str>,
    agent: Option<&'a str>,
    reason: &'a str,
    finding: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    decided: OffsetDateTime,
    attempt: u32,
}

// === impl Notice ===

impl<'a> Notice<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        Self {
            version: 1,
            r#type: "credential.revoke",
            id: row.id,
            credential: &row.credential,
            fingerprint: row.fingerprint.as_deref(),
            agent: row.agent.as_deref(),
            reason: &row.reason,
            finding: row.finding,
            decided: row.created,
            attempt: row.attempts + 1,
        }
    }

    /// As JSON.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }
}
