//! HashiCorp Vault and `OpenBao`: <https://openbao.org/api-docs/system/leases/>
//! and `…/auth/token/`, the same in both. A lease, all leases below a path, or
//! the token of an accessor is revoked with 204 (leases with `sync`, so the
//! answer comes when the credential is gone), and is dead when a look-up does
//! not find it.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::act::revoke::http::{Answer, secret_header};
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::secret::resolve;
use crate::policy::{Vault, VaultTarget};

/// What look-ups say of what they do not find.
const NOT_FOUND: &[&str] = &["invalid lease", "lease not found", "invalid accessor"];

/// A server, and what is to be killed there.
pub(in crate::act::revoke) struct AtVault<'a> {
    client: &'a Client,
    spec: &'a Vault,
    token: SecretString,
    target: Target<'a>,
}

/// The target, read.
enum Target<'a> {
    Lease(SecretString),
    Prefix(&'a str),
    Accessor(SecretString),
}

pub(in crate::act::revoke) fn calls(spec: &Vault) -> Vec<String> {
    let base = format!("{}/v1", spec.endpoint);
    match &spec.target {
        VaultTarget::Lease(_) => vec![
            format!("POST {base}/sys/leases/revoke"),
            format!("POST {base}/sys/leases/lookup, until it is not found"),
        ],
        VaultTarget::Prefix(path) => vec![
            format!("POST {base}/sys/leases/revoke-prefix/{path}"),
            format!("GET {base}/sys/leases/lookup/{path}?list=true, until nothing is listed"),
        ],
        VaultTarget::Accessor(_) => vec![
            format!("POST {base}/auth/token/revoke-accessor"),
            format!("POST {base}/auth/token/lookup-accessor, until it is not found"),
        ],
    }
}

// === impl AtVault ===

impl<'a> AtVault<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a Vault,
    ) -> Result<Self, Outcome> {
        let target = match &spec.target {
            VaultTarget::Lease(id) => Target::Lease(resolve(id)?),
            VaultTarget::Prefix(path) => Target::Prefix(path),
            VaultTarget::Accessor(id) => Target::Accessor(resolve(id)?),
        };
        Ok(Self { client, spec, token: resolve(&spec.token)?, target })
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Outcome> {
        let url = format!("{}/v1/{path}", self.spec.endpoint);
        let request = self.client.request(method, url);
        let request = request.header("x-vault-token", secret_header(&self.token)?);
        Ok(match &self.spec.namespace {
            Some(namespace) => request.header("x-vault-namespace", namespace),
            None => request,
        })
    }

    fn post(&self, path: &str, body: &Value) -> Result<RequestBuilder, Outcome> {
        Ok(self.request(Method::POST, path)?.json(body))
    }
}

impl Provider for AtVault<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let request = match &self.target {
            Target::Lease(id) => {
                let body = json!({ "lease_id": id.expose_secret(), "sync": true });
                self.post("sys/leases/revoke", &body)
            }
            Target::Prefix(path) => {
                self.post(&format!("sys/leases/revoke-prefix/{path}"), &json!({ "sync": true }))
            }
            Target::Accessor(id) => {
                self.post("auth/token/revoke-accessor", &json!({ "accessor": id.expose_secret() }))
            }
        };
        Ok(vec![Call { request: request?, to: "Vault's revocation" }])
    }

    /// A lease or path that Vault does not know is revoked with 204, too; of an
    /// accessor it warns, or refuses.
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        match answer.status {
            StatusCode::NO_CONTENT => Ok(Killed::Taken),
            StatusCode::OK if warns_of_no_token(answer) => Ok(Killed::Unknown),
            StatusCode::OK => Err(answer.unclear(to)),
            _ if is_not_found(answer) => Ok(Killed::Unknown),
            _ => Err(answer.refused(to)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        let request = match &self.target {
            Target::Lease(id) => {
                self.post("sys/leases/lookup", &json!({ "lease_id": id.expose_secret() }))
            }
            Target::Prefix(path) => {
                self.request(Method::GET, &format!("sys/leases/lookup/{path}?list=true"))
            }
            Target::Accessor(id) => {
                self.post("auth/token/lookup-accessor", &json!({ "accessor": id.expose_secret() }))
            }
        };
        Ok(Call { request: request?, to: "Vault's look-up" })
    }

    /// Nothing below a path is 404 without an explanation; one with an
    /// explanation is of a mount or a server that does not exist.
    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        let listing = matches!(self.target, Target::Prefix(_));
        match answer.status {
            StatusCode::OK if answer.json::<Value>().is_some_and(|v| v["data"].is_object()) => {
                Ok(Life::Active)
            }
            StatusCode::OK => Err(answer.unclear(to)),
            StatusCode::NOT_FOUND if listing && errors(answer).is_some_and(|e| e.is_empty()) => {
                Ok(Life::Dead)
            }
            _ if is_not_found(answer) => Ok(Life::Dead),
            _ => Err(answer.refused(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        match &self.target {
            Target::Lease(id) | Target::Accessor(id) => vec![&self.token, id],
            Target::Prefix(_) => vec![&self.token],
        }
    }
}

/// What `OpenBao` answers to the revocation of an accessor without a token.
fn warns_of_no_token(answer: &Answer) -> bool {
    let body: Option<Value> = answer.json();
    let warnings = body.as_ref().and_then(|body| body.get("warnings")?.as_array());
    let says = |warning: &Value| warning.as_str().is_some_and(|w| w.starts_with("No token found"));
    warnings.is_some_and(|warnings| warnings.iter().any(says))
}

/// An error body: `{"errors": […]}`.
fn errors(answer: &Answer) -> Option<Vec<String>> {
    let body: Value = answer.json()?;
    let errors = body.get("errors")?.as_array()?;
    Some(errors.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn is_not_found(answer: &Answer) -> bool {
    let says = |error: &String| NOT_FOUND.iter().any(|phrase| error.contains(phrase));
    answer.status.is_client_error() && errors(answer).is_some_and(|list| list.iter().any(says))
}
