//! A credential as meant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::policy::{AgentName, CredentialId, Location};

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

// === impl Credential, CredentialKind, SecretRef, Revoker ===

impl Credential {
    /// The files that its secret, and those of its revoker, are read from.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        let revoker = self.revoke.as_ref().and_then(Revoker::secret);
        [Some(&self.secret), revoker].into_iter().flatten().filter_map(SecretRef::file)
    }
}

impl SecretRef {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Env(_) => None,
        }
    }
}

impl CredentialKind {
    /// The word it is written as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OAuth2 => "oauth2",
            Self::ApiKey => "api-key",
            Self::Lease => "lease",
            Self::ServiceAccount => "service-account",
        }
    }
}

impl Revoker {
    fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::OAuth2 { client_secret: secret, .. } | Self::Webhook { key: secret, .. } => {
                Some(secret)
            }
            Self::Command { .. } => None,
        }
    }

    /// The word it is written as.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OAuth2 { .. } => "oauth2",
            Self::Webhook { .. } => "webhook",
            Self::Command { .. } => "command",
        }
    }
}
