//! How a command ends when it does not end well.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};

use crate::kernel::KernelError;

/// Exit codes other than "done".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// What was asked for did not happen.
    Failed = 1,
    /// Bad usage, or an invalid config or policy.
    Usage = 2,
    /// The host cannot enforce, or does not enforce this.
    CannotEnforce = 3,
    /// The daemon does not answer.
    NoDaemon = 4,
    /// `exec`: CMD was found and cannot be executed (as shells have it).
    NotExecutable = 126,
    /// `exec`: CMD was not found (as shells have it).
    NotFound = 127,
}

/// Why a command ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An error for people to read.
    Error {
        /// The exit code.
        code: Code,
        /// What was done to what, and why it failed.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The reader of our output hung up: nobody is left to tell.
    HungUp,
    /// The messages are already on stderr.
    Reported(Code),
}

// === impl Failure ===

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Error { code, message: message.into(), hint: None }
    }

    /// [`Code::Failed`] without a hint.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Error { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Tells people on stderr and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::HungUp => ExitCode::SUCCESS,
            Self::Reported(code) => ExitCode::from(*code as u8),
            Self::Error { code, message, hint } => {
                // The daemon sends its diagnostics as it would print them.
                let message = message.strip_prefix("error: ").unwrap_or(message);
                say("error", AnsiColor::Red, message);
                if let Some(hint) = hint {
                    say("hint", AnsiColor::Cyan, hint);
                }
                ExitCode::from(*code as u8)
            }
        }
    }
}

impl From<KernelError> for Failure {
    /// Without what the kernel side needs, nothing is enforced.
    fn from(error: KernelError) -> Self {
        let unknown_agent = matches!(error, KernelError::UnknownAgent(_));
        // Who may not look knows nothing of the host.
        let knows = !unknown_agent && nix::unistd::geteuid().is_root();
        let code = if knows { Code::CannotEnforce } else { Code::Failed };
        let failure = Self::new(code, error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<io::Error> for Failure {
    /// Errors of writing to stdout, the one stream commands write to.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::HungUp;
        }
        Self::failed(format!("write to standard output: {error}"))
    }
}

/// Warns on stderr.
pub(crate) fn warn(message: &str) {
    say("warning", AnsiColor::Yellow, message);
}

/// `LABEL: message` on stderr, in colour where that is wanted.
fn say(label: &str, color: AnsiColor, message: &str) {
    let mut stderr = io::stderr().lock();
    let style = if wants_color(&stderr) { color.on_default().bold() } else { Style::new() };
    // Stderr closed: the exit code still tells.
    writeln!(stderr, "{style}{label}:{style:#} {message}").unwrap_or_default();
}

/// Whether the stream is a terminal and `NO_COLOR` (no-color.org) is not set.
pub(crate) fn wants_color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure, Failure::HungUp);
        assert_eq!(format!("{:?}", failure.report()), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        let codes = [Code::Failed, Code::Usage, Code::CannotEnforce, Code::NoDaemon];
        assert_eq!(codes.map(|code| code as u8), [1, 2, 3, 4]);
    }
}
