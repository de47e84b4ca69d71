//! `[audit]`: how the trail is kept, and who gets it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::reader::Table;
use crate::config::words::{Problem, duration, one_of, quoted, size, word};

/// How the audit trail is kept. It is also rotated at the first entry of each
/// day (UTC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The log is rotated when it has this many bytes.
    pub rotate_size: u64,
    /// Rotated files are removed when their last entry is older.
    pub keep: Duration,
    /// Bytes of rotated files; the oldest are removed when they are more.
    pub keep_size: u64,
    /// Who gets the entries.
    pub sinks: Vec<SinkSettings>,
}

/// One `[[audit.sink]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// Names its position on disk and its metrics: letters, digits, `-` and `_`.
    pub name: String,
    /// In whose words entries are written.
    pub format: ExportFormat,
    /// Where they go.
    pub to: SinkTarget,
}

/// Where entries go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkTarget {
    /// Syslog (RFC 5424) over TCP with octet counting (RFC 6587), or over TLS (RFC 5425).
    Syslog {
        /// Name or address of the receiver.
        host: String,
        /// Its port.
        port: u16,
        /// Authorities of the receiver's certificate, PEM; `None` without TLS.
        ca: Option<PathBuf>,
    },
    /// JSON lines by POST.
    Http {
        /// Where to.
        url: String,
        /// File of a bearer token (RFC 6750).
        token: Option<PathBuf>,
        /// Authorities instead of the host's own, PEM.
        ca: Option<PathBuf>,
    },
}

/// How entries are written for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// As they stand in the log: hashes and all.
    #[default]
    Jsonl,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

const FORMATS: [(&str, ExportFormat); 3] =
    [("jsonl", ExportFormat::Jsonl), ("ecs", ExportFormat::Ecs), ("ocsf", ExportFormat::Ocsf)];

/// Smaller files would be rotated all the time.
const MIN_SIZE: u64 = 64 << 10;
const ADDRESS: &str = "write host:port, such as `siem.example:6514` or `[::1]:514`";

// === impl AuditSettings ===

impl AuditSettings {
    /// Overrides these settings with what one file says.
    pub(super) fn apply(&mut self, table: &Table<'_>, folder: &Path) {
        table.only(&["rotate_size", "keep", "keep_size", "sink"]);
        let bytes = |key: &str, now: u64| {
            table.get(key).and_then(|value| value.parse(file_size)).unwrap_or(now)
        };
        self.rotate_size = bytes("rotate_size", self.rotate_size);
        self.keep_size = bytes("keep_size", self.keep_size);
        if let Some(keep) = table.get("keep").and_then(|value| value.parse(duration)) {
            self.keep = keep;
        }
        if let Some(sinks) = table.get("sink") {
            self.sinks = Vec::new();
            sinks.tables().iter().for_each(|table| self.add(table, folder));
        }
    }

    fn add(&mut self, table: &Table<'_>, folder: &Path) {
        let Some(sink) = sink(table, folder) else { return };
        if self.sinks.iter().any(|other| other.name == sink.name) {
            let message = format!("two sinks are named {}", quoted(&sink.name));
            let hint = "each has a position of its own: give each a name of its own";
            return table.error(Problem::new(message).hint(hint));
        }
        self.sinks.push(sink);
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            rotate_size: 64 << 20,
            keep: Duration::from_secs(90 * 86_400),
            keep_size: 4 << 30,
            sinks: Vec::new(),
        }
    }
}

fn sink(table: &Table<'_>, folder: &Path) -> Option<SinkSettings> {
    table.only(&["name", "kind", "format", "address", "tls", "ca", "url", "token_file"]);
    let name = table.need("name", "`name = \"siem\"`").and_then(|value| value.parse(sink_name));
    let format = match table.get("format") {
        None => Some(ExportFormat::default()),
        Some(value) => value.parse(|text| word("format", text, &FORMATS)),
    };
    let to =
        table.need("kind", "`kind = \"syslog\"` or `kind = \"http\"`")?.parse(
            |kind| match kind {
                "syslog" => Ok(syslog(table, folder)),
                "http" => Ok(http(table, folder)),
                other => Err(one_of("kind", other, &["syslog", "http"])),
            },
        )?;
    Some(SinkSettings { name: name?, format: format?, to: to? })
}

fn syslog(table: &Table<'_>, folder: &Path) -> Option<SinkTarget> {
    refuse(table, &["url", "token_file"], "syslog");
    let address = table.need("address", ADDRESS).and_then(|value| value.parse(address));
    let tls = table.get("tls").is_some_and(|value| value.boolean() == Some(true));
    let ca = match (tls, file(table, "ca", folder)) {
        (true, None) => {
            let hint = "the authorities' certificates, PEM: \
                        `ca = \"/etc/ssl/certs/ca-certificates.crt\"`";
            table.need("ca", hint);
            return None;
        }
        (false, Some(_)) => {
            let problem = Problem::new("`ca` is given without `tls = true`");
            table.error(problem.hint("add `tls = true`, or remove `ca`"));
            return None;
        }
        (_, ca) => ca,
    };
    let (host, port) = address?;
    Some(SinkTarget::Syslog { host, port, ca })
}

fn http(table: &Table<'_>, folder: &Path) -> Option<SinkTarget> {
    refuse(table, &["address", "tls"], "http");
    let url = table.need("url", "`url = \"https://siem.example/ingest\"`")?.parse(url)?;
    let (token, ca) = (file(table, "token_file", folder), file(table, "ca", folder));
    Some(SinkTarget::Http { url, token, ca })
}

fn refuse(table: &Table<'_>, keys: &[&str], kind: &str) {
    for value in keys.iter().filter_map(|key| table.get(key)) {
        let problem = Problem::new(format!("this key is not of a sink of kind `{kind}`"));
        value.error(problem.hint("remove it, or change `kind`"));
    }
}

fn file(table: &Table<'_>, key: &str, folder: &Path) -> Option<PathBuf> {
    table.get(key)?.parse(|text| super::settings::path_below(folder, text))
}

fn file_size(text: &str) -> Result<u64, Problem> {
    let bytes = size(text)?;
    if bytes < MIN_SIZE {
        let problem = Problem::new(format!("{} is too small", quoted(text)));
        return Err(problem.hint("write at least `64KiB`"));
    }
    Ok(bytes)
}

fn sink_name(text: &str) -> Result<String, Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        let problem = Problem::new(format!("{} is no name of a sink", quoted(text)));
        return Err(problem.hint("at most 64 letters, digits, `-` and `_`"));
    }
    Ok(text.to_owned())
}

fn address(text: &str) -> Result<(String, u16), Problem> {
    let bad = || Problem::new(format!("{} is not an address", quoted(text))).hint(ADDRESS);
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let v6 = bare.is_some() && host.parse::<std::net::Ipv6Addr>().is_ok();
    if host.is_empty() || !(v6 || bare.is_none() && host.chars().all(plain)) {
        return Err(bad());
    }
    let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(bad)?;
    Ok((host.to_owned(), port))
}

/// In clear only to this host: entries name agents, credentials and places.
fn url(text: &str) -> Result<String, Problem> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(authority) = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default())
    else {
        let problem = Problem::new(format!("{} is not a URL", quoted(text)));
        return Err(problem.hint("write `https://host/path`"));
    };
    if authority.is_empty() || authority.contains('@') {
        let problem = Problem::new("the URL names no host, or holds a password");
        return Err(problem.hint("write `https://host/path`; a token goes into `token_file`"));
    }
    if text.starts_with("http://") && !is_this_host(authority) {
        let problem = Problem::new(format!("{} is in clear", quoted(text)));
        return Err(problem.hint("write `https://`; `http://` is for this host only"));
    }
    Ok(text.to_owned())
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_this_host(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
