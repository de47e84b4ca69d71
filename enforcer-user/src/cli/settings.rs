//! The settings, and how their errors are told.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::failure::{self, Code, Failure};
use crate::config::{Diagnostics, Settings};

/// Reads the settings.
///
/// # Errors
/// [`Code::Usage`]; every error is on stderr already, with its place.
pub(crate) fn load(config: Option<&Path>) -> Result<Settings, Failure> {
    Settings::load(path(config)).map_err(|errors| report(&errors))
}

/// `--config`, or the usual file.
pub(crate) fn path(config: Option<&Path>) -> &Path {
    config.unwrap_or(Path::new(crate::config::DEFAULT_CONFIG))
}

fn report(errors: &Diagnostics) -> Failure {
    let mut stderr = io::stderr().lock();
    let text = errors.render(failure::wants_color(&stderr));
    // Stderr closed: the exit code still tells.
    writeln!(stderr, "{}", text.trim_end()).unwrap_or_default();
    Failure::Reported(Code::Usage)
}
