//! `via = "openai"` and `via = "anthropic"`: API keys that an admin key kills.

use super::fields::{endpoint, id};
use super::types::{Anthropic, OpenAi, Revoker};
use crate::config::reader::Table;
use crate::policy::secret::secret;

pub(super) fn openai(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint", "project", "key_id", "admin_key"]);
    let endpoint = endpoint(table, "https://api.openai.com");
    let project = id(table, "project", "id of the project that the key is in: `proj_…`");
    let key_id = id(table, "key_id", "the key's id as the admin API lists it, not the key itself");
    let admin_key = secret(table, "admin_key");
    Some(Revoker::OpenAi(OpenAi {
        endpoint: endpoint?,
        project: project?,
        key_id: key_id?,
        admin_key: admin_key?,
    }))
}

pub(super) fn anthropic(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint", "key_id", "admin_key"]);
    let endpoint = endpoint(table, "https://api.anthropic.com");
    let key_id = id(table, "key_id", "the key's id as the admin API lists it: `apikey_…`");
    let admin_key = secret(table, "admin_key");
    Some(Revoker::Anthropic(Anthropic {
        endpoint: endpoint?,
        key_id: key_id?,
        admin_key: admin_key?,
    }))
}
