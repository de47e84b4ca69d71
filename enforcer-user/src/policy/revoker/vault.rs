//! `via = "vault"`.

use super::fields::url;
use super::types::{Revoker, Vault, VaultTarget};
use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, quoted};
use crate::policy::secret::secret;

const TARGETS: &[&str] = &["lease", "prefix", "accessor"];
const WHAT: &str = "name what is killed: `lease = { file = … }`, `prefix = \"database/creds/agent\"` \
                    or `accessor = { file = … }`";

pub(super) fn read(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint", "namespace", "token", "lease", "prefix", "accessor"]);
    let endpoint = table.need("endpoint", "the server's address, as in VAULT_ADDR").and_then(url);
    let namespace = table.get("namespace").map(|value| value.parse(path));
    let token = secret(table, "token");
    let target = target(table);
    Some(Revoker::Vault(Vault {
        endpoint: endpoint?.trim_end_matches('/').to_owned(),
        namespace: namespace.map_or(Some(None), |read| read.map(Some))?,
        token: token?,
        target: target?,
    }))
}

fn target(table: &Table<'_>) -> Option<VaultTarget> {
    let given: Vec<_> = TARGETS.iter().filter(|key| table.get(key).is_some()).collect();
    match given[..] {
        [&"lease"] => secret(table, "lease").map(VaultTarget::Lease),
        [&"accessor"] => secret(table, "accessor").map(VaultTarget::Accessor),
        [&"prefix"] => {
            let prefix = table.get("prefix").and_then(|value: Value<'_>| value.parse(path));
            prefix.map(VaultTarget::Prefix)
        }
        [] => {
            table.error(Problem::new("nothing says what Vault is to kill").hint(WHAT));
            None
        }
        [..] => {
            let both = given.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
            let problem = Problem::new(format!("{} are all given", both.join(" and ")));
            table.error(problem.hint("keep one: a revoker kills one thing"));
            None
        }
    }
}

/// A path in Vault. Without a mount it would be everything.
fn path(text: &str) -> Result<String, Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let part =
        |part: &str| !part.is_empty() && part.trim_matches('.') == part && part.chars().all(plain);
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    if text.len() <= 512 && trimmed.split('/').all(part) {
        return Ok(trimmed.to_owned());
    }
    let problem = Problem::new(format!("{} is not a path in Vault", quoted(text)));
    Err(problem.hint("write it from the mount on, without a leading slash: `database/creds/agent`"))
}
