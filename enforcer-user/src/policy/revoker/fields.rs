//! Fields that several revokers have.

use std::net::IpAddr;

use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, quoted};

/// Longest id of anything at a provider, in bytes.
const MAX_ID: usize = 256;

/// `endpoint`, with the provider's public address as default. What is added to
/// it begins with a slash.
pub(super) fn endpoint(table: &Table<'_>, public: &str) -> Option<String> {
    base(table, "endpoint", public)
}

/// An address with a default.
pub(super) fn base(table: &Table<'_>, key: &str, public: &str) -> Option<String> {
    let Some(value) = table.get(key) else { return Some(public.to_owned()) };
    value.private().parse(|text| {
        let url = checked_url(text)?;
        if url.contains('?') {
            let problem = Problem::new("the URL has a query, but paths are added to it");
            return Err(problem.hint("take `?` and what follows out"));
        }
        Ok(url.trim_end_matches('/').to_owned())
    })
}

/// An id that becomes part of a URL, a form or a policy: needs no escaping
/// anywhere.
pub(super) fn id(table: &Table<'_>, key: &str, hint: &str) -> Option<String> {
    let value = table.need(key, hint)?;
    checked_id(value, key, hint)
}

/// The same where it may be left out.
pub(super) fn optional_id(table: &Table<'_>, key: &str, hint: &str) -> Option<Option<String>> {
    match table.get(key) {
        Some(value) => checked_id(value, key, hint).map(Some),
        None => Some(None),
    }
}

/// Somebody may write the key itself where its id belongs, so the line and the
/// value are not shown.
fn checked_id(value: Value<'_>, key: &str, hint: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+=,".contains(c);
    value.private().parse(|text| {
        // Two dots alone would climb a path.
        let good = !text.is_empty() && text.len() <= MAX_ID && text.chars().all(plain);
        if good && text.trim_matches('.') == text {
            return Ok(text.to_owned());
        }
        Err(Problem::new(format!("`{key}` is no id")).hint(hint))
    })
}

/// A URL may hold a password where it should not, so its line is not shown.
pub(super) fn url(value: Value<'_>) -> Option<String> {
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
