//! Slack: `auth.revoke` revokes the token that it is called with, `auth.test`
//! tells whether one lives (<https://docs.slack.dev/reference/methods/auth.revoke>,
//! `…/auth.test`). Both answer 200 with `ok`, and with `error` where it is
//! false.

use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::revoke::redact::quote;
use crate::policy::Slack;

/// What is said of a token that is dead, whoever asks.
const DEAD: &[&str] = &["token_revoked", "token_expired", "account_inactive"];
/// Said of a dead token, and to an address that may not ask.
const INVALID: &str = "invalid_auth";
/// Trouble of Slack's own.
const LATER: &[&str] = &[
    "ratelimited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
];

/// Slack, and a token there.
pub(in crate::act::revoke) struct AtSlack<'a> {
    client: &'a Client,
    spec: &'a Slack,
    token: &'a SecretString,
}

/// Every answer.
#[derive(Deserialize)]
struct Told {
    ok: bool,
    revoked: Option<bool>,
    error: Option<String>,
}

pub(in crate::act::revoke) fn calls(spec: &Slack) -> Vec<String> {
    let base = &spec.endpoint;
    vec![
        format!("POST {base}/api/auth.revoke with the token"),
        format!("POST {base}/api/auth.test with the token, until it is refused"),
    ]
}

// === impl AtSlack ===

impl<'a> AtSlack<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a Slack,
        token: &'a SecretString,
    ) -> Self {
        Self { client, spec, token }
    }

    fn post(&self, method: &str) -> RequestBuilder {
        let url = format!("{}/api/{method}", self.spec.endpoint);
        self.client.post(url).bearer_auth(self.token.expose_secret())
    }
}

/// The answer, and what an error that says nothing of the token means.
fn told(to: &str, answer: &Answer) -> Result<Told, Outcome> {
    if !answer.status.is_success() {
        return Err(answer.refused(to));
    }
    let told: Told = answer.json().ok_or_else(|| answer.unclear(to))?;
    let Some(word) = &told.error else { return Ok(told) };
    let error = format!("{to} answered: {}", quote(word));
    match word.as_str() {
        word if DEAD.contains(&word) || word == INVALID => Ok(told),
        word if LATER.contains(&word) => {
            Err(Outcome::Retry { after: answer.retry_after, error, accepted: false })
        }
        _ => Err(Outcome::fail(error)),
    }
}

fn is_dead(told: &Told) -> bool {
    told.error.as_deref().is_some_and(|error| DEAD.contains(&error))
}

fn ambiguous(to: &str) -> Outcome {
    Outcome::fail(format!(
        "{to} answered: {INVALID}: the token is dead, or this host may not use it; hint: see the \
         app's allowed addresses"
    ))
}

impl Provider for AtSlack<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        Ok(vec![Call { request: self.post("auth.revoke"), to: "Slack's auth.revoke" }])
    }

    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        let told = told(to, answer)?;
        match told {
            Told { ok: true, revoked: Some(true), .. } => Ok(Killed::Taken),
            Told { ok: false, error: Some(_), .. } if is_dead(&told) => Ok(Killed::Unknown),
            Told { ok: false, error: Some(_), .. } => Err(ambiguous(to)),
            _ => Err(answer.unclear(to)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        Ok(Call { request: self.post("auth.test"), to: "Slack's auth.test" })
    }

    fn life(&self, to: &'static str, answer: &Answer, accepted: bool) -> Result<Life, Outcome> {
        let told = told(to, answer)?;
        match told {
            Told { ok: true, .. } => Ok(Life::Active),
            // Slack took this token from this host before.
            Told { error: Some(_), .. } if accepted || is_dead(&told) => Ok(Life::Dead),
            Told { error: Some(_), .. } => Err(ambiguous(to)),
            Told { error: None, .. } => Err(answer.unclear(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        vec![self.token]
    }
}
