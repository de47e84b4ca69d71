//! `[credential.revoke]`: how a credential is killed.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, duration, one_of, quoted};
use crate::policy::Revoker;
use crate::policy::secret::secret;

/// A command without `timeout` is killed after this long.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

const SUPPORTED: &[&str] = &["oauth2", "webhook", "command"];

/// Providers that a later version knows.
const LATER: &[&str] =
    &["vault", "aws-iam", "aws-secrets", "gcp", "github", "gitlab", "slack", "openai", "anthropic"];

/// Reads the revoker.
pub(super) fn revoker(table: &Table<'_>) -> Option<Revoker> {
    let via = table.need("via", "one of oauth2, webhook, command")?;
    match via.string()? {
        "oauth2" => oauth2(table),
        "webhook" => webhook(table),
        "command" => command(table),
        later if LATER.contains(&later) => {
            let message = format!("revoking via `{later}` is not supported by this version");
            let hint = "use `webhook` or `command` to reach that provider";
            via.error(Problem::new(message).hint(hint));
            None
        }
        other => {
            via.error(one_of("provider", other, SUPPORTED));
            None
        }
    }
}

fn oauth2(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "endpoint", "introspect", "client_id", "client_secret"]);
    let endpoint = table.need("endpoint", "the revocation endpoint (RFC 7009)");
    let endpoint = endpoint.and_then(url);
    let introspect = table.need("introspect", "the introspection endpoint (RFC 7662)");
    let introspect = introspect.and_then(url);
    let id = table.need("client_id", "the enforcer's own client id at the server");
    let id = id.and_then(|value| value.parse(client_id));
    let client_secret = secret(table, "client_secret");
    Some(Revoker::OAuth2 {
        endpoint: endpoint?,
        introspect: introspect?,
        client_id: id?,
        client_secret: client_secret?,
    })
}

fn webhook(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "url", "key"]);
    let address = table.need("url", "where the signed request goes").and_then(url);
    let key = secret(table, "key");
    Some(Revoker::Webhook { url: address?, key: key? })
}

fn command(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "argv", "timeout"]);
    let argv = table.need("argv", "program and arguments: `argv = [\"/usr/local/bin/revoke\"]`");
    let timeout = table.get("timeout").map(|value| value.parse(duration));
    let argv = argv.and_then(program);
    Some(Revoker::Command { argv: argv?, timeout: timeout.unwrap_or(Some(COMMAND_TIMEOUT))? })
}

fn program(value: Value<'_>) -> Option<Vec<String>> {
    let argv = value.list_of(|text| {
        if text.contains('\0') {
            let problem = Problem::new(format!("the argument {} holds NUL", quoted(text)));
            return Err(problem.hint("no program can be given one: take it out"));
        }
        Ok(text.to_owned())
    })?;
    if !argv[0].starts_with('/') {
        let message = format!("the program {} is not an absolute path", quoted(&argv[0]));
        value.error(Problem::new(message).hint("no PATH is searched: write `/usr/bin/…`"));
        return None;
    }
    Some(argv)
}

fn client_id(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        let problem = Problem::new("the client id is empty");
        return Err(problem.hint("write the id under which the server knows the enforcer"));
    }
    Ok(text.to_owned())
}

/// A URL may hold a password where it should not, so its line is not shown.
fn url(value: Value<'_>) -> Option<String> {
    value.private().parse(checked_url)
}

/// https, or http where nobody can listen in.
fn checked_url(text: &str) -> Result<String, Problem> {
    let url = reqwest::Url::parse(text)
        .map_err(|error| Problem::new(format!("not a URL: {error}")).hint("write `https://…`"))?;
    if !url.username().is_empty() || url.password().is_some() {
        let problem = Problem::new("the URL holds a user name or password");
        return Err(problem.hint("secrets are named by reference: { file = … } or { env = … }"));
    }
    if url.fragment().is_some() {
        let problem = Problem::new("the URL has a fragment, which is never sent");
        return Err(problem.hint("take `#` and what follows out"));
    }
    match url.scheme() {
        "https" => Ok(text.to_owned()),
        "http" if is_loopback(&url) => Ok(text.to_owned()),
        "http" => Err(Problem::new("the URL is plain http to another host")
            .hint("use https; plain http is accepted to 127.0.0.0/8, [::1] and localhost only")),
        other => Err(Problem::new(format!("the URL's scheme is {}", quoted(other)))
            .hint("write `https://…`")),
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
