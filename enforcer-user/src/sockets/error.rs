//! What can go wrong between the daemon and sock_diag.

use std::io;

/// Names the act and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{act}: {source}")]
pub struct SocketsError {
    /// What was tried, such as `list TCP sockets`.
    pub act: String,
    /// Why not.
    #[source]
    pub source: io::Error,
}

// === impl SocketsError ===

impl SocketsError {
    /// Wraps an I/O error with the act.
    pub(super) fn of(act: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { act: act.into(), source }
    }

    /// The socket that was to be found or destroyed is not there any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.source.raw_os_error(), Some(libc::ENOENT | libc::ESTALE))
    }
}
