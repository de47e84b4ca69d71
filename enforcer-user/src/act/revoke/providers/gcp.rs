//! A key of a Google Cloud service account: disabled, then deleted
//! (<https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys>).
//! Dead when it is not found or is disabled. The project is written `-`: there
//! a service account that does not exist is 403, and only a key that does not
//! exist is 404. The enforcer is a service account of its own, whose assertion
//! becomes an access token (RFC 7523, section 2.1;
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>).

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::act::revoke::assertion::{Assertion, SigningKey};
use crate::act::revoke::http::{Answer, send};
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::revoke::redact::clean;
use crate::act::secret::resolve_whole;
use crate::policy::Gcp;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Google Cloud, and a key there.
pub(in crate::act::revoke) struct AtGcp<'a> {
    client: &'a Client,
    url: String,
    access_token: SecretString,
    spec: &'a Gcp,
}

/// A service account's key file; it has more members than these.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: SecretString,
    private_key_id: Option<String>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
}

/// A key as it is told; `disabled` is left out where it is false.
#[derive(Deserialize)]
struct Told {
    name: String,
    #[serde(default)]
    disabled: bool,
}

pub(in crate::act::revoke) fn calls(spec: &Gcp) -> Vec<String> {
    let url = key_url(spec);
    vec![
        format!("POST {} for an access token (RFC 7523)", spec.token_endpoint),
        format!("POST {url}:disable"),
        format!("DELETE {url}"),
        format!("GET {url}, until it is not found"),
    ]
}

fn key_url(Gcp { endpoint, service_account, key_id, .. }: &Gcp) -> String {
    format!("{endpoint}/v1/projects/-/serviceAccounts/{service_account}/keys/{key_id}")
}

// === impl AtGcp ===

impl<'a> AtGcp<'a> {
    /// Fetches an access token first.
    pub(in crate::act::revoke) async fn new(
        client: &'a Client,
        spec: &'a Gcp,
    ) -> Result<Self, Outcome> {
        let access_token = access_token(client, spec).await?;
        Ok(Self { client, url: key_url(spec), access_token, spec })
    }

    fn request(&self, method: Method, suffix: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{suffix}", self.url));
        request.bearer_auth(self.access_token.expose_secret())
    }
}

async fn access_token(client: &Client, spec: &Gcp) -> Result<SecretString, Outcome> {
    let file = resolve_whole(&spec.credentials)?;
    let file: KeyFile = serde_json::from_str(file.expose_secret()).map_err(|_| {
        Outcome::fail(
            "`credentials` is no key file of a service account; hint: the JSON that Google Cloud \
             gave for the enforcer's own account",
        )
    })?;
    let key = SigningKey::from_pem(&file.private_key).map_err(Outcome::fail)?;
    let aud = spec.token_endpoint.as_str();
    let claims = Assertion { iss: &file.client_email, sub: None, aud, scope: Some(SCOPE) };
    let assertion = key.sign(file.private_key_id.as_deref(), &claims).map_err(Outcome::fail)?;
    let form = [("grant_type", GRANT), ("assertion", assertion.expose_secret())];
    let to = "Google's token endpoint";
    let answer = send(client.post(aud).form(&form), to).await?;
    if !answer.status.is_success() {
        return Err(answer.refused(to).map_error(|error| clean(error, &[&assertion])));
    }
    let granted: Option<Granted> = answer.json();
    Ok(granted.ok_or_else(|| answer.unclear(to))?.access_token)
}

impl Provider for AtGcp<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let disable = self.request(Method::POST, ":disable").json(&Value::Object(<_>::default()));
        Ok(vec![
            Call { request: disable, to: "Google's disabling of the key" },
            Call { request: self.request(Method::DELETE, ""), to: "Google's deletion of the key" },
        ])
    }

    /// Both answer with an empty object.
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        match answer.status {
            StatusCode::OK => match answer.json() {
                Some(Value::Object(_)) => Ok(Killed::Taken),
                _ => Err(answer.unclear(to)),
            },
            StatusCode::NOT_FOUND => Ok(Killed::Unknown),
            _ => Err(answer.refused(to)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        Ok(Call { request: self.request(Method::GET, ""), to: "Google, asked for the key," })
    }

    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        match answer.status {
            StatusCode::OK => match answer.json() {
                Some(Told { name, disabled }) if name.ends_with(&self.spec.key_id) => {
                    Ok(if disabled { Life::Disabled } else { Life::Active })
                }
                Some(_) | None => Err(answer.unclear(to)),
            },
            StatusCode::NOT_FOUND => Ok(Life::Dead),
            _ => Err(answer.refused(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        vec![&self.access_token]
    }
}
