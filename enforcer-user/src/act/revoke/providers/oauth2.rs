//! RFC 7009 token revocation, confirmed with RFC 7662 introspection.

use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::act::revoke::assertion::{Assertion, SigningKey};
use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::{Outcome, Proof};
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::revoke::redact::encoded;
use crate::act::secret::{resolve, resolve_whole};
use crate::policy::ClientAuth;

/// An authorization server, and who we are there.
pub(in crate::act::revoke) struct OAuth2<'a> {
    client: &'a Client,
    endpoint: &'a str,
    introspect: &'a str,
    client_id: &'a str,
    auth: Auth<'a>,
    token: &'a SecretString,
}

/// How we prove to be the client.
enum Auth<'a> {
    Secret(SecretString),
    Key { key: SigningKey, key_id: Option<&'a str>, audience: &'a str },
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

pub(in crate::act::revoke) fn calls(
    endpoint: &str,
    introspect: &str,
    client_id: &str,
) -> Vec<String> {
    vec![
        format!("POST {endpoint} as client {client_id} (RFC 7009)"),
        format!("POST {introspect} as client {client_id} (RFC 7662), until it says inactive"),
    ]
}

// === impl OAuth2, Auth ===

impl<'a> OAuth2<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        (endpoint, introspect): (&'a str, &'a str),
        client_id: &'a str,
        auth: &'a ClientAuth,
        token: &'a SecretString,
    ) -> Result<Self, Outcome> {
        let auth = Auth::resolved(auth)?;
        Ok(Self { client, endpoint, introspect, client_id, auth, token })
    }

    /// Both endpoints take the same form (RFC 7009, 2.1; RFC 7662, 2.1). With
    /// `client_secret_basic`, id and secret are form-encoded before they become
    /// a user name and a password (RFC 6749, section 2.3.1); with
    /// `private_key_jwt`, a fresh assertion goes into the form (RFC 7523, 2.2).
    fn post(&self, url: &str) -> Result<RequestBuilder, Outcome> {
        let token = self.token.expose_secret();
        let form = [("token", token), ("token_type_hint", "access_token")];
        let request = self.client.post(url);
        match &self.auth {
            Auth::Secret(secret) => {
                let password = encoded(secret.expose_secret());
                Ok(request.basic_auth(encoded(self.client_id), Some(password)).form(&form))
            }
            Auth::Key { key, key_id, audience } => {
                let id = self.client_id;
                let claims = Assertion { iss: id, sub: Some(id), aud: audience, scope: None };
                let assertion = key.sign(*key_id, &claims).map_err(Outcome::fail)?;
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let proof = [
                    ("client_id", id),
                    ("client_assertion_type", kind),
                    ("client_assertion", assertion.expose_secret()),
                ];
                Ok(request.form(&[&form[..], &proof[..]].concat()))
            }
        }
    }
}

impl Provider for OAuth2<'_> {
    const PROOF: Proof = Proof::Introspected;

    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let request = self.post(self.endpoint)?;
        Ok(vec![Call { request, to: "the revocation endpoint" }])
    }

    /// 200 is success, also for a token the server does not know (RFC 7009,
    /// section 2.2).
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        if answer.status.is_success() {
            return Ok(Killed::Taken);
        }
        Err(answer.refusal(to, explanation(answer)))
    }

    fn question(&self) -> Result<Call, Outcome> {
        Ok(Call { request: self.post(self.introspect)?, to: "the introspection endpoint" })
    }

    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        if !answer.status.is_success() {
            return Err(answer.refusal(to, explanation(answer)));
        }
        match answer.json() {
            Some(Introspection { active: true }) => Ok(Life::Active),
            Some(Introspection { active: false }) => Ok(Life::Dead),
            None => Err(answer.unclear(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        match &self.auth {
            Auth::Secret(secret) => vec![self.token, secret],
            Auth::Key { .. } => vec![self.token],
        }
    }
}

impl<'a> Auth<'a> {
    fn resolved(auth: &'a ClientAuth) -> Result<Self, Outcome> {
        match auth {
            ClientAuth::Secret(secret) => Ok(Self::Secret(resolve(secret)?)),
            ClientAuth::PrivateKey { key, key_id, audience } => {
                let key = SigningKey::from_pem(&resolve_whole(key)?).map_err(Outcome::fail)?;
                Ok(Self::Key { key, key_id: key_id.as_deref(), audience })
            }
        }
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
