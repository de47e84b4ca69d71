//! Policies and credentials as meant: parsed, validated, impossible to
//! misread. The raw forms are private to this module.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// Name of an agent: 1–64 of `a-z 0-9 - _ .`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentName(Arc<str>);

/// Id of a credential, same alphabet as [`AgentName`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(Arc<str>);

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: u32,
}

/// One agent's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The agent it is for.
    pub agent: AgentName,
    /// Enforce, or judge and report.
    pub mode: Mode,
    /// Cgroups of the agent, relative to the cgroup2 mount; globs allowed.
    pub cgroups: Vec<String>,
    /// Allow and deny rules in file order; the index is the rule's id.
    pub rules: Vec<Rule>,
    /// Caps.
    pub limits: Limits,
    /// `[[respond]]` rules in file order.
    pub responses: Vec<Response>,
    /// Where the policy stands.
    pub location: Location,
}

/// What becomes of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Deny.
    Enforce,
    /// Report, never drop.
    Audit,
}

/// One `[[allow]]` or `[[deny]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Allow or deny.
    pub allow: bool,
    /// Destinations; never empty.
    pub to: Vec<IpNet>,
    /// Protocols and ports; never empty.
    pub ports: Vec<Ports>,
    /// The credential this traffic uses.
    pub credential: Option<CredentialId>,
    /// Where it is written.
    pub location: Location,
}

/// A protocol and a range of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The protocol.
    pub protocol: Transport,
    /// Lowest port; 0 for protocols without ports.
    pub low: u16,
    /// Highest port, included; 65535 for protocols without ports.
    pub high: u16,
}

/// Protocols a policy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Every protocol.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP over IPv4 and IPv6.
    Icmp,
}

/// Caps of an agent; `None` is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Packets on the wire.
    pub packets: Option<Rate>,
    /// Bytes at layer 3.
    pub bytes: Option<Rate>,
    /// New TCP connections.
    pub connections: Option<Rate>,
    /// Records sent to the daemon (`events = { rate = …, burst = … }`).
    pub events: Option<Rate>,
}

/// `units` per `period`, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub units: u64,
    /// One second, minute, hour or day.
    pub period: Duration,
    /// At least 1; default a quarter of a second's worth, at least 1 unit
    /// (bytes: at least 256 KiB, so that one GSO packet fits).
    pub burst: u64,
}

/// One `[[respond]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// What is counted.
    pub event: Trigger,
    /// How many, at least 1.
    pub count: u32,
    /// Within which sliding window.
    pub within: Duration,
    /// What is done, in the order of the ladder; never empty.
    pub actions: Vec<Step>,
    /// Where it is written.
    pub location: Location,
}

/// Events a `[[respond]]` can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Policy violations.
    Denied,
    /// Refusals by a cap.
    RateLimited,
    /// The kernel's own quarantine.
    Quarantined,
}

/// Steps of the ladder, from reversible to final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Tell people.
    Alert,
    /// Cut the agent off.
    Quarantine,
    /// Kill its credentials at their providers.
    Revoke,
}

/// One credential of the inventory. Holds references, never secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Who holds it: one, or several where `shared = true`.
    pub agents: Vec<AgentName>,
    /// What it is.
    pub kind: CredentialKind,
    /// Scopes it carries, as the provider names them.
    pub scopes: Vec<String>,
    /// Day of issue.
    pub issued: Option<time::Date>,
    /// How often it is to be replaced; 90 days by default.
    pub rotate_every: Duration,
    /// When it ends.
    pub expires: Option<time::OffsetDateTime>,
    /// Where the secret is.
    pub secret: SecretRef,
    /// How it is killed; `None` cannot be revoked.
    pub revoke: Option<Revoker>,
    /// Where it is written.
    pub location: Location,
}

/// Kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// An OAuth 2.0 token.
    OAuth2,
    /// A static key.
    ApiKey,
    /// A lease of a secret store.
    Lease,
    /// A service account's key.
    ServiceAccount,
}

/// Where a secret is to be read when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// First line of a file, which only root may read.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
}

/// How a credential is killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoker {
    /// RFC 7009, confirmed with RFC 7662.
    OAuth2 {
        /// Revocation endpoint; https, or http to loopback.
        endpoint: String,
        /// Introspection endpoint.
        introspect: String,
        /// Our client id there.
        client_id: String,
        /// Our client secret there.
        client_secret: SecretRef,
    },
    /// A signed POST.
    Webhook {
        /// Where; https, or http to loopback.
        url: String,
        /// HMAC-SHA256 key for the signature.
        key: SecretRef,
    },
    /// A program, run as the daemon's user, told on stdin.
    Command {
        /// Program (absolute) and arguments.
        argv: Vec<String>,
        /// Killed after this long.
        timeout: Duration,
    },
}

// === impl AgentName, CredentialId ===

impl AgentName {
    /// Checks the alphabet; `None` where it is broken.
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CredentialId {
    /// Checks the alphabet; `None` where it is broken.
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 1–64 of `a-z 0-9 - _ .`, the first a letter or digit.
fn is_name(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|c| plain(c) || b"-_.".contains(&c))
}
