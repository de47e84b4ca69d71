//! Anthropic: <https://platform.claude.com/docs/en/api/admin/api_keys>. An
//! admin key makes a key inactive; the API deletes none. A key is dead when its
//! status is anything but `active`.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::act::revoke::http::{Answer, secret_header};
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::secret::resolve;
use crate::policy::Anthropic;

/// Anthropic, and an organization's key there.
pub(in crate::act::revoke) struct AtAnthropic<'a> {
    client: &'a Client,
    spec: &'a Anthropic,
    admin_key: SecretString,
}

/// What is told of a key; `status` is `active`, `inactive`, `archived` or
/// `expired`.
#[derive(Deserialize)]
struct Told {
    id: String,
    status: String,
}

pub(in crate::act::revoke) fn calls(spec: &Anthropic) -> Vec<String> {
    let url = key_url(spec);
    vec![
        format!("POST {url} {{\"status\":\"inactive\"}}"),
        format!("GET {url}, until it is not active"),
    ]
}

fn key_url(Anthropic { endpoint, key_id, .. }: &Anthropic) -> String {
    format!("{endpoint}/v1/organizations/api_keys/{key_id}")
}

// === impl AtAnthropic ===

impl<'a> AtAnthropic<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a Anthropic,
    ) -> Result<Self, Outcome> {
        Ok(Self { client, spec, admin_key: resolve(&spec.admin_key)? })
    }

    fn request(&self, method: Method) -> Result<RequestBuilder, Outcome> {
        let request = self.client.request(method, key_url(self.spec));
        let request = request.header("anthropic-version", "2023-06-01");
        Ok(request.header("x-api-key", secret_header(&self.admin_key)?))
    }

    fn status(&self, to: &str, answer: &Answer) -> Result<Life, Outcome> {
        if answer.status != StatusCode::OK {
            return Err(answer.refused(to));
        }
        match answer.json() {
            Some(Told { id, status }) if id == self.spec.key_id => {
                Ok(if status == "active" { Life::Active } else { Life::Dead })
            }
            Some(_) | None => Err(answer.unclear(to)),
        }
    }
}

impl Provider for AtAnthropic<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let request = self.request(Method::POST)?.json(&json!({ "status": "inactive" }));
        Ok(vec![Call { request, to: "Anthropic's update of the key" }])
    }

    /// No key is ever deleted, so an unknown one (404) is a wrong id.
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        match self.status(to, answer)? {
            Life::Dead | Life::Disabled => Ok(Killed::Taken),
            Life::Active => Err(answer.unclear(to)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        Ok(Call { request: self.request(Method::GET)?, to: "Anthropic, asked for the key," })
    }

    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        self.status(to, answer)
    }

    fn secrets(&self) -> Vec<&SecretString> {
        vec![&self.admin_key]
    }
}
