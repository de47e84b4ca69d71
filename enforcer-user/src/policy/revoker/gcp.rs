//! `via = "gcp"`.

use super::fields::{base, endpoint, id};
use super::types::{Gcp, Revoker};
use crate::config::reader::Table;
use crate::policy::secret::secret;

/// <https://cloud.google.com/iam/docs/reference/rest>
const PUBLIC: &str = "https://iam.googleapis.com";
/// <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";

const KEYS: &[&str] =
    &["via", "endpoint", "token_endpoint", "service_account", "key_id", "credentials"];

pub(super) fn read(table: &Table<'_>) -> Option<Revoker> {
    table.only(KEYS);
    let endpoint = endpoint(table, PUBLIC);
    let token_endpoint = base(table, "token_endpoint", TOKEN_ENDPOINT);
    let hint = "email address of the service account whose key is killed";
    let service_account = id(table, "service_account", hint);
    let key_id = id(table, "key_id", "`private_key_id` of the key that is killed");
    let credentials = secret(table, "credentials");
    Some(Revoker::Gcp(Gcp {
        endpoint: endpoint?,
        token_endpoint: token_endpoint?,
        service_account: service_account?,
        key_id: key_id?,
        credentials: credentials?,
    }))
}
