//! A signed POST. Done when the receiver answers 2xx: it has taken the
//! revocation over. `Enforcer-Signature: v1=HEX` is the HMAC-SHA256 of
//! `TIMESTAMP.BODY` under the shared key, `Enforcer-Timestamp` the Unix time
//! that goes into it (so a receiver can refuse old copies), `Idempotency-Key`
//! the same for every attempt.

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use time::OffsetDateTime;

use super::http::{Answer, send};
use super::notice::Notice;
use super::outcome::{Outcome, Proof};
use crate::act::fingerprint::{hex, sign};
use crate::act::outbox::Row;

/// Problem details (RFC 9457, section 3.1); every member is optional.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    r#type: Option<String>,
}

/// Tells the receiver.
pub(super) async fn kill(client: &Client, url: &str, key: &SecretString, row: &Row) -> Outcome {
    let body = match Notice::of(row).bytes() {
        Ok(body) => body,
        Err(error) => return Outcome::fail(format!("write the webhook's body: {error}")),
    };
    let timestamp = OffsetDateTime::now_utc().unix_timestamp().to_string();
    let tag = sign(key.expose_secret().as_bytes(), &[timestamp.as_bytes(), b".", &body]);
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("Enforcer-Timestamp", timestamp)
        .header("Enforcer-Signature", format!("v1={}", hex(&tag)))
        .header("Idempotency-Key", format!("\"{}\"", row.id))
        .body(body);
    match send(request, "the webhook").await {
        Ok(answer) if answer.status.is_success() => Outcome::Done(Proof::Acknowledged),
        Ok(answer) => answer.refusal("the webhook", explanation(&answer)),
        Err(outcome) => outcome,
    }
}

fn explanation(answer: &Answer) -> Option<String> {
    let Problem { title, detail, r#type } = answer.json()?;
    let parts: Vec<_> = [title.or(r#type), detail].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}
