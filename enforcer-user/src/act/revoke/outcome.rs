//! What became of one attempt.

use std::time::Duration;

use crate::act::secret::SecretError;

/// Result of one attempt to revoke. Errors hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The credential is dead.
    Done(Proof),
    /// Not yet: to be tried again.
    Retry {
        /// Not before this, where the provider said so (`Retry-After`).
        after: Option<Duration>,
        /// What went wrong.
        error: String,
        /// The provider took the revocation; only its confirmation is missing.
        accepted: bool,
    },
    /// Trying again cannot help: a person must look at it.
    Fail {
        /// What went wrong.
        error: String,
    },
}

/// How we know that a credential is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Introspection says inactive (RFC 7662, section 2.2).
    Introspected,
    /// The provider says that it is gone, or refuses it.
    Confirmed,
    /// The provider says that it is switched off; it refused to remove it.
    Disabled,
    /// It was dead before we asked for anything.
    AlreadyDead,
    /// The receiver of a webhook, or a command, took responsibility.
    Acknowledged,
}

// === impl Outcome ===

impl Outcome {
    pub(in crate::act) fn retry(error: impl Into<String>) -> Self {
        Self::Retry { after: None, error: error.into(), accepted: false }
    }

    pub(in crate::act) fn fail(error: impl Into<String>) -> Self {
        Self::Fail { error: error.into() }
    }

    /// The same outcome of an attempt that the provider had accepted.
    pub(super) fn after_acceptance(self) -> Self {
        match self {
            Self::Retry { after, error, .. } => Self::Retry { after, error, accepted: true },
            Self::Fail { error } => Self::Retry { after: None, error, accepted: true },
            Self::Done(proof) => Self::Done(proof),
        }
    }

    /// The same outcome with every text passed through `clean`.
    pub(super) fn map_error(self, clean: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Retry { after, error, accepted } => {
                Self::Retry { after, error: clean(&error), accepted }
            }
            Self::Fail { error } => Self::Fail { error: clean(&error) },
            Self::Done(proof) => Self::Done(proof),
        }
    }
}

impl From<SecretError> for Outcome {
    /// Whoever puts the secret right need not ask again.
    fn from(error: SecretError) -> Self {
        Self::retry(error.to_string())
    }
}

// === impl Proof ===

impl Proof {
    /// A phrase for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Introspected => "confirmed by introspection",
            Self::Confirmed => "confirmed by the provider",
            Self::Disabled => "confirmed to be switched off, not removed",
            Self::AlreadyDead => "was dead already",
            Self::Acknowledged => "acknowledged by the receiver",
        }
    }
}
