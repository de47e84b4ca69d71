//! A credential as meant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::policy::{AgentName, CredentialId, Location, Revoker};

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

// === impl Credential, CredentialKind, SecretRef ===

impl Credential {
    /// The files that its secret, and those of its revoker, are read from.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        let revoker = self.revoke.iter().flat_map(Revoker::secrets);
        std::iter::once(&self.secret).chain(revoker).filter_map(SecretRef::file)
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
