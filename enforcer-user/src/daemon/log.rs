//! The daemon's log: stderr, for the journal or a terminal.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Variable that sets what is logged, as `tracing` filters read it.
const FILTER: &str = "ENFORCER_LOG";

/// What is logged unless the variable says otherwise. Of watches that ended with the
/// folder they were for, that library tells more than anybody needs to know.
const USUAL: &str = "info,notify=warn";

/// Starts logging. A filter that cannot be read logs as without one.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(USUAL));
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour);
    if log.with_target(false).with_writer(stderr).try_init().is_err() {
        eprintln!("the log was started before");
    }
}
