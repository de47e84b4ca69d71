//! Why the daemon could not start, or had to end.

use std::fmt::Display;
use std::process::ExitCode;

use crate::kernel::KernelError;

/// An end that is not a success.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

// === impl Failure ===

impl Failure {
    /// Something did not work; exit code 1.
    pub(super) fn failed(message: impl Display) -> Self {
        Self { message: format!("error: {message}"), hint: None, code: 1 }
    }

    /// The files are wrong; exit code 2. `rendered` says all about it.
    pub(super) fn invalid(rendered: String) -> Self {
        Self { message: rendered, hint: None, code: 2 }
    }

    /// The host cannot enforce; exit code 3.
    pub(super) fn host(message: impl Display) -> Self {
        Self { code: 3, ..Self::failed(message) }
    }

    /// The kernel side did not come up; exit code 3.
    pub(super) fn kernel(error: &KernelError) -> Self {
        Self { hint: error.hint().map(ToOwned::to_owned), ..Self::host(error) }
    }

    /// The same, with what to do about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Tells people; gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        eprintln!("{}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}
