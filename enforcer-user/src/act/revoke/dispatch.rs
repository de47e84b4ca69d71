//! From a credential to its revoker.

use reqwest::Client;
use secrecy::SecretString;

use super::oauth2::OAuth2;
use super::outcome::Outcome;
use super::redact::clean;
use super::{command, webhook};
use crate::act::outbox::Row;
use crate::act::secret::resolve;
use crate::policy::{Credential, Revoker};

/// One attempt to be made.
pub struct Job<'a> {
    /// What was decided.
    pub row: &'a Row,
    /// What is to be killed, as the inventory has it now.
    pub credential: &'a Credential,
    /// Its secret, where it could be read.
    pub secret: Option<&'a SecretString>,
    /// An earlier attempt may have got through.
    pub asked_before: bool,
}

/// The word for a revoker in metrics and tables.
pub fn provider(revoker: Option<&Revoker>) -> &'static str {
    match revoker {
        Some(Revoker::OAuth2 { .. }) => "oauth2",
        Some(Revoker::Webhook { .. }) => "webhook",
        Some(Revoker::Command { .. }) => "command",
        None => "none",
    }
}

/// What [`attempt`] would call, one line each, for a dry run.
pub fn calls(revoker: &Revoker) -> Vec<String> {
    match revoker {
        Revoker::OAuth2 { endpoint, introspect, client_id, .. } => vec![
            format!("POST {endpoint} as client {client_id} (RFC 7009)"),
            format!("POST {introspect} as client {client_id} (RFC 7662), until it says inactive"),
        ],
        Revoker::Webhook { url, .. } => vec![format!("POST {url}, signed, without the secret")],
        Revoker::Command { argv, timeout } => {
            vec![format!("run {} (at most {timeout:?})", argv.join(" "))]
        }
    }
}

/// Makes the attempt. Never panics, never takes longer than its time-outs, and
/// what it returns holds no secret.
pub async fn attempt(client: &Client, job: Job<'_>) -> Outcome {
    let Some(revoker) = &job.credential.revoke else {
        return Outcome::retry("the credential has no [credential.revoke] any more");
    };
    let secret = job.secret;
    let outcome = match revoker {
        Revoker::OAuth2 { .. } => return oauth2(client, revoker, &job).await,
        Revoker::Webhook { url, key } => match resolve(key) {
            Ok(key) => {
                let outcome = webhook::kill(client, url, &key, job.row).await;
                outcome.map_error(|error| clean(error, &[&key]))
            }
            Err(error) => Outcome::retry(error.to_string()),
        },
        Revoker::Command { argv, timeout } => command::kill(argv, *timeout, job.row).await,
    };
    outcome.map_error(|error| clean(error, &secret.into_iter().collect::<Vec<_>>()))
}

async fn oauth2(client: &Client, revoker: &Revoker, job: &Job<'_>) -> Outcome {
    let Revoker::OAuth2 { endpoint, introspect, client_id, client_secret } = revoker else {
        return Outcome::fail("not an OAuth 2.0 revoker");
    };
    let Some(token) = job.secret else {
        return Outcome::retry("the token cannot be read, so it cannot be revoked");
    };
    let client_secret = match resolve(client_secret) {
        Ok(client_secret) => client_secret,
        Err(error) => return Outcome::retry(error.to_string()),
    };
    let server = OAuth2 { client, endpoint, introspect, client_id, client_secret: &client_secret };
    let outcome = server.kill(token, job.asked_before, job.row.accepted).await;
    outcome.map_error(|error| clean(error, &[token, &client_secret]))
}
