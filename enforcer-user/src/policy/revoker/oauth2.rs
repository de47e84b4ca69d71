//! `via = "oauth2"`.

use super::fields::{optional_id, url};
use super::types::{ClientAuth, Revoker};
use crate::config::reader::Table;
use crate::config::words::Problem;
use crate::policy::secret::secret;

const KEYS: &[&str] = &[
    "via",
    "endpoint",
    "introspect",
    "client_id",
    "client_secret",
    "private_key",
    "key_id",
    "audience",
];

pub(super) fn read(table: &Table<'_>) -> Option<Revoker> {
    table.only(KEYS);
    let endpoint = table.need("endpoint", "the revocation endpoint (RFC 7009)");
    let endpoint = endpoint.and_then(url);
    let introspect = table.need("introspect", "the introspection endpoint (RFC 7662)");
    let introspect = introspect.and_then(url);
    let id = table.need("client_id", "the enforcer's own client id at the server");
    let id = id.and_then(|value| value.parse(client_id));
    let client_auth = client_auth(table);
    Some(Revoker::OAuth2 {
        endpoint: endpoint?,
        introspect: introspect?,
        client_id: id?,
        client_auth: client_auth?,
    })
}

/// A secret, or a private key with whom its signatures are for.
fn client_auth(table: &Table<'_>) -> Option<ClientAuth> {
    let Some(private) = table.get("private_key") else {
        for key in ["key_id", "audience"] {
            if let Some(value) = table.get(key) {
                let problem = Problem::new(format!("`{key}` is given without `private_key`"));
                value.error(problem.hint("a client secret goes without it"));
                return None;
            }
        }
        return secret(table, "client_secret").map(ClientAuth::Secret);
    };
    if table.get("client_secret").is_some() {
        let problem = Problem::new("`client_secret` and `private_key` are both given");
        private.private().error(problem.hint("keep the one that the client is registered with"));
        return None;
    }
    let key = secret(table, "private_key");
    let key_id =
        optional_id(table, "key_id", "the `kid` under which the server has the public key");
    let hint = "the server's issuer, such as `https://auth.example.com` (RFC 7523, section 3)";
    let audience = table.need("audience", hint).and_then(url);
    Some(ClientAuth::PrivateKey { key: key?, key_id: key_id?, audience: audience? })
}

fn client_id(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        let problem = Problem::new("the client id is empty");
        return Err(problem.hint("write the id under which the server knows the enforcer"));
    }
    Ok(text.to_owned())
}
