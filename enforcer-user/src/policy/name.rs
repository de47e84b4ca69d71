//! Names of agents and credentials.

use std::fmt;
use std::sync::Arc;

use crate::config::words::{Problem, quoted};

/// Longest name, in bytes.
const MAX_NAME: usize = 64;

/// Name of an agent: 1–64 of `a-z 0-9 - _ .`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentName(Arc<str>);

/// Id of a credential, same alphabet as [`AgentName`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(Arc<str>);

// === impl AgentName, CredentialId ===

impl AgentName {
    /// A name as text.
    ///
    /// # Errors
    /// It is empty, too long, or has a character that names do not have.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        checked("agent name", text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CredentialId {
    /// An id as text.
    ///
    /// # Errors
    /// It is empty, too long, or has a character that ids do not have.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        checked("credential id", text).map(Self)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn checked(what: &str, text: &str) -> Result<Arc<str>, Problem> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = text.len() <= MAX_NAME
        && text.starts_with(plain)
        && text.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'));
    if good {
        return Ok(text.into());
    }
    let message = format!("{} is not a valid {what}", quoted(text));
    Err(Problem::new(message)
        .hint("1 to 64 of a-z, 0-9, `-`, `_`, `.`, starting with a letter or digit"))
}
