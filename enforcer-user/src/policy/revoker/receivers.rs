//! `via = "webhook"` and `via = "command"`: others who do the killing.

use std::time::Duration;

use super::fields::url;
use super::types::Revoker;
use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, duration, quoted};
use crate::policy::secret::secret;

/// A command without `timeout` is killed after this long.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn webhook(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "url", "key"]);
    let address = table.need("url", "where the signed request goes").and_then(url);
    let key = secret(table, "key");
    Some(Revoker::Webhook { url: address?, key: key? })
}

pub(super) fn command(table: &Table<'_>) -> Option<Revoker> {
    table.only(&["via", "argv", "timeout"]);
    let argv = table.need("argv", "program and arguments: `argv = [\"/usr/local/bin/revoke\"]`");
    let timeout = table.get("timeout").map(|value| value.parse(duration));
    let argv = argv.and_then(program);
    Some(Revoker::Command { argv: argv?, timeout: timeout.unwrap_or(Some(COMMAND_TIMEOUT))? })
}

fn program(value: Value<'_>) -> Option<Vec<String>> {
    let argv = value.list_of(|text| {
        if text.contains('\0') {
            let problem = Problem::new(format!("the argument {} holds NUL", quoted(text)));
            return Err(problem.hint("no program can be given one: take it out"));
        }
        Ok(text.to_owned())
    })?;
    if !argv[0].starts_with('/') {
        let message = format!("the program {} is not an absolute path", quoted(&argv[0]));
        value.error(Problem::new(message).hint("no PATH is searched: write `/usr/bin/…`"));
        return None;
    }
    Some(argv)
}
