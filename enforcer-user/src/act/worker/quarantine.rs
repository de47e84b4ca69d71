//! The narrow way back to the kernel.

use crate::policy::AgentName;

/// Sets an agent's quarantine. The daemon gives one to the worker and to
/// nobody else. Called from async code: must not block for long.
pub trait QuarantineHandle: Send + Sync + 'static {
    /// Cuts the agent off; not an error when it is already.
    fn quarantine(&self, agent: &AgentName, reason: &str) -> Result<Cut, QuarantineError>;
}

/// Whether an agent had to be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It was free until now.
    New,
    /// It was cut off before: by the kernel, an operator, an earlier finding.
    Already,
}

/// The kernel's table could not be written.
#[derive(Debug, thiserror::Error)]
#[error("quarantine {agent}: {source}")]
pub struct QuarantineError {
    /// Whose.
    pub agent: String,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
