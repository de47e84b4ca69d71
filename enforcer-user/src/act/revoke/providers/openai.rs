//! `OpenAI`: <https://platform.openai.com/docs/api-reference/project-api-keys>.
//! An admin key deletes a project's key by its id: 200 with `deleted: true`.
//! The key is dead when the API refuses it: 401, `invalid_api_key`
//! (<https://platform.openai.com/docs/guides/error-codes>).

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::secret::resolve;
use crate::policy::OpenAi;

/// `OpenAI`, and a project's key there.
pub(in crate::act::revoke) struct AtOpenAi<'a> {
    client: &'a Client,
    spec: &'a OpenAi,
    admin_key: SecretString,
    /// The key, where it could be read.
    key: Option<&'a SecretString>,
}

#[derive(Deserialize)]
struct Deleted {
    deleted: bool,
}

#[derive(Deserialize)]
struct Refused {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: Option<String>,
}

pub(in crate::act::revoke) fn calls(spec: &OpenAi) -> Vec<String> {
    vec![
        format!("DELETE {}", key_url(spec)),
        format!("GET {}/v1/models with the key, until it is refused", spec.endpoint),
    ]
}

fn key_url(spec: &OpenAi) -> String {
    let OpenAi { endpoint, project, key_id, .. } = spec;
    format!("{endpoint}/v1/organization/projects/{project}/api_keys/{key_id}")
}

// === impl AtOpenAi ===

impl<'a> AtOpenAi<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a OpenAi,
        key: Option<&'a SecretString>,
    ) -> Result<Self, Outcome> {
        Ok(Self { client, spec, admin_key: resolve(&spec.admin_key)?, key })
    }

    fn as_admin(&self, method: Method) -> RequestBuilder {
        let request = self.client.request(method, key_url(self.spec));
        request.bearer_auth(self.admin_key.expose_secret())
    }
}

/// The API says so of no key that lives, whatever it may do.
fn is_invalid(answer: &Answer) -> bool {
    let refused: Option<Refused> = answer.json();
    refused.and_then(|refused| refused.error.code).is_some_and(|code| code == "invalid_api_key")
}

impl Provider for AtOpenAi<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        Ok(vec![Call { request: self.as_admin(Method::DELETE), to: "OpenAI's deletion" }])
    }

    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        match answer.status {
            StatusCode::OK => match answer.json() {
                Some(Deleted { deleted: true }) => Ok(Killed::Taken),
                Some(Deleted { deleted: false }) | None => Err(answer.unclear(to)),
            },
            StatusCode::NOT_FOUND => Ok(Killed::Unknown),
            _ => Err(answer.refused(to)),
        }
    }

    /// The key itself is asked where it can be read: a wrong id would be
    /// unknown, too.
    fn question(&self) -> Result<Call, Outcome> {
        let Some(key) = self.key else {
            return Ok(Call { request: self.as_admin(Method::GET), to: "OpenAI's list of keys" });
        };
        let request = self.client.get(format!("{}/v1/models", self.spec.endpoint));
        let request = request.bearer_auth(key.expose_secret());
        Ok(Call { request, to: "OpenAI, asked with the key," })
    }

    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        match answer.status {
            StatusCode::OK => Ok(Life::Active),
            StatusCode::NOT_FOUND if self.key.is_none() => Ok(Life::Dead),
            StatusCode::UNAUTHORIZED if self.key.is_some() && is_invalid(answer) => Ok(Life::Dead),
            // A restricted key may not list models, but it is known.
            StatusCode::FORBIDDEN if self.key.is_some() => Ok(Life::Active),
            _ => Err(answer.refused(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        std::iter::once(&self.admin_key).chain(self.key).collect()
    }
}
