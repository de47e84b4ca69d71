//! `via = "github"`, `"gitlab"` and `"slack"`: tokens that revoke themselves,
//! or that somebody else revokes.

use super::fields::{endpoint, id};
use super::types::{GitHub, GitLab, Revoker, Slack};
use crate::config::reader::Table;
use crate::config::words::Problem;
use crate::policy::SecretRef;
use crate::policy::secret::secret;

pub(super) fn github(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint", "client_id", "client_secret"]);
    let endpoint = endpoint(table, "https://api.github.com");
    let app = pair(table, "client_id", "client_secret", |table| {
        id(table, "client_id", "client id of the app that the token was issued to")
    });
    Some(Revoker::GitHub(GitHub { endpoint: endpoint?, app: app? }))
}

pub(super) fn gitlab(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint", "token_id", "token"]);
    let endpoint = endpoint(table, "https://gitlab.com");
    let by_id =
        pair(table, "token_id", "token", |table| table.get("token_id").and_then(|v| v.count(1)));
    Some(Revoker::GitLab(GitLab { endpoint: endpoint?, by_id: by_id? }))
}

pub(super) fn slack(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint"]);
    let endpoint = endpoint(table, "https://slack.com");
    Some(Revoker::Slack(Slack { endpoint: endpoint? }))
}

/// Two keys that only make sense together: who, and the secret that proves it.
fn pair<T>(
    table: &Table<'_>,
    who: &str,
    proof: &str,
    read: impl Fn(&Table<'_>) -> Option<T>,
) -> Option<Option<(T, SecretRef)>> {
    match (table.get(who).is_some(), table.get(proof).is_some()) {
        (false, false) => Some(None),
        (true, true) => {
            let (who, proof) = (read(table), secret(table, proof));
            Some(Some((who?, proof?)))
        }
        (named, _) => {
            let (here, missing) = if named { (who, proof) } else { (proof, who) };
            let problem = Problem::new(format!("`{here}` is given without `{missing}`"));
            table.error(problem.hint("give both, or neither: then the token revokes itself"));
            None
        }
    }
}
