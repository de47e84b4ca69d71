//! RFC 7009 token revocation, confirmed with RFC 7662 introspection.

use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::http::{Answer, send};
use super::outcome::{Outcome, Proof};
use super::redact::encoded;

/// An authorization server, and who we are there.
pub(super) struct OAuth2<'a> {
    pub(super) client: &'a Client,
    pub(super) endpoint: &'a str,
    pub(super) introspect: &'a str,
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a SecretString,
}

/// An error body (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// An introspection response; `active` is its only required member.
#[derive(Deserialize)]
struct Introspection {
    active: bool,
}

/// What a first question tells.
enum Life {
    Active,
    Dead,
}

// === impl OAuth2 ===

impl OAuth2<'_> {
    /// Revokes and confirms. With `asked_before`, an earlier attempt may have
    /// got through: introspection is asked first, and a token that it calls
    /// dead is not revoked again. Where it cannot tell, a revocation that was
    /// never accepted is repeated: RFC 7009 makes that harmless (section 2.2),
    /// and a living token is the greater harm.
    pub(super) async fn kill(
        &self,
        token: &SecretString,
        asked_before: bool,
        accepted: bool,
    ) -> Outcome {
        if asked_before {
            match self.life(token).await {
                Ok(Life::Dead) if accepted => return Outcome::Done(Proof::Introspected),
                Ok(Life::Dead) => return Outcome::Done(Proof::AlreadyDead),
                Ok(Life::Active) => {}
                Err(unknown) if accepted => return unknown.after_acceptance(),
                Err(_) => {}
            }
        }
        match self.revoke(token).await {
            Ok(()) => self.confirm(token).await.after_acceptance(),
            Err(outcome) => outcome,
        }
    }

    async fn confirm(&self, token: &SecretString) -> Outcome {
        match self.life(token).await {
            Ok(Life::Dead) => Outcome::Done(Proof::Introspected),
            Ok(Life::Active) => Outcome::retry(
                "the provider accepted the revocation, but the token is still active",
            ),
            Err(unknown) => unknown,
        }
    }

    /// 200 is success, also for a token the server does not know (section 2.2).
    async fn revoke(&self, token: &SecretString) -> Result<(), Outcome> {
        let answer = send(self.post(self.endpoint, token), "the revocation endpoint").await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(answer.refusal("the revocation endpoint", explanation(&answer)))
    }

    async fn life(&self, token: &SecretString) -> Result<Life, Outcome> {
        let answer = send(self.post(self.introspect, token), "the introspection endpoint").await?;
        if !answer.status.is_success() {
            return Err(answer.refusal("the introspection endpoint", explanation(&answer)));
        }
        match answer.json() {
            Some(Introspection { active: true }) => Ok(Life::Active),
            Some(Introspection { active: false }) => Ok(Life::Dead),
            None => Err(Outcome::retry(
                "the introspection endpoint answered 200 with something that is no introspection response",
            )),
        }
    }

    /// Both endpoints take the same form (RFC 7009, 2.1; RFC 7662, 2.1), both
    /// with `client_secret_basic`: id and secret are form-encoded before they
    /// become a user name and a password (RFC 6749, section 2.3.1).
    fn post(&self, url: &str, token: &SecretString) -> RequestBuilder {
        let form = [("token", token.expose_secret()), ("token_type_hint", "access_token")];
        let password = encoded(self.client_secret.expose_secret());
        self.client.post(url).basic_auth(encoded(self.client_id), Some(password)).form(&form)
    }
}

fn explanation(answer: &Answer) -> Option<String> {
    let ErrorBody { error, error_description } = answer.json()?;
    Some(if error_description.is_empty() {
        error
    } else {
        format!("{error} ({error_description})")
    })
}
