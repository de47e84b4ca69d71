//! References to secrets. Whatever stands in their place may be the secret
//! itself, so no line of one is ever shown.

use std::path::Path;

use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, quoted};
use crate::policy::SecretRef;

const FORMS: &str = "write { file = \"/path\" } or { env = \"NAME\" }";

/// Reads the reference under `key`.
pub(super) fn secret(table: &Table<'_>, key: &str) -> Option<SecretRef> {
    let value = table.need(key, FORMS)?.private();
    let written = value.table_or(|| {
        Problem::new(format!("`{key}` must say where the secret is, never what it is")).hint(FORMS)
    })?;
    written.only(&["file", "env", "vault", "aws"]);
    for later in ["vault", "aws"] {
        if written.get(later).is_some() {
            let problem = format!("secrets in `{later}` are not supported by this version");
            value.error(Problem::new(problem).hint(FORMS));
            return None;
        }
    }
    match (written.get("file"), written.get("env")) {
        (Some(file), None) => file_ref(file, table),
        (None, Some(env)) => env.parse(variable).map(SecretRef::Env),
        (Some(_), Some(_)) => refuse(value, "`file` and `env` are both given"),
        (None, None) => refuse(value, "the reference names neither `file` nor `env`"),
    }
}

fn refuse(value: Value<'_>, message: &str) -> Option<SecretRef> {
    value.error(Problem::new(message).hint(FORMS));
    None
}

/// A relative path counts from the folder of the file that names it.
fn file_ref(value: Value<'_>, table: &Table<'_>) -> Option<SecretRef> {
    let folder = table.source().path().parent().unwrap_or(Path::new("/"));
    let path = value.parse(|text| {
        if text.is_empty() || text.contains('\0') {
            return Err(Problem::new("the secret's file has no valid path").hint(FORMS));
        }
        Ok(folder.join(text))
    })?;
    Some(SecretRef::File(path))
}

fn variable(text: &str) -> Result<String, Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = !text.is_empty()
        && text.len() <= 128
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(plain);
    if good {
        return Ok(text.to_owned());
    }
    let problem = Problem::new("`env` does not name an environment variable");
    Err(problem.hint(format!("letters, digits and _, such as {}", quoted("OAUTH_CLIENT_SECRET"))))
}
