//! `enforcer audit`: read straight from the log, so it works without a daemon.

use std::io::ErrorKind;
use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use time::OffsetDateTime;

use crate::audit::{self, Entry, TailError, Verified, VerifyError};
use crate::cli::audit::export::ExportArgs;
use crate::cli::events::line;
use crate::cli::failure::{Code, Failure};
use crate::cli::output::{Format, OutputArgs, pairs, plain, print};
use crate::cli::{settings, when};
use crate::events::Event;

mod export;

/// Of `enforcer audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the last entries
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Prove that no entry was edited, removed, moved or cut off (exit 1 if one was)
    Verify(OutputArgs),
    /// Write entries for a SIEM, one JSON object a line
    Export(ExportArgs),
}

pub(crate) fn run(config: Option<&Path>, command: &AuditCommand) -> Result<(), Failure> {
    let log = settings::load(config)?.state_dir.join(audit::LOG);
    match command {
        AuditCommand::Tail { lines, output } => tail(&log, *lines, output.format),
        AuditCommand::Verify(output) => verify(&log, *output),
        AuditCommand::Export(args) => export::run(&log, args),
    }
}

/// JSON is one entry a line, as it stands in the log.
fn tail(log: &Path, lines: usize, format: Format) -> Result<(), Failure> {
    let entries = audit::tail(log, lines).map_err(|error| unread(&error))?;
    let lines: Result<Vec<_>, _> = match format {
        Format::Table => Ok(entries.iter().map(entry_line).collect()),
        Format::Json => entries.iter().map(serde_json::to_string).collect(),
    };
    let lines = lines.map_err(|error| Failure::failed(format!("write an entry: {error}")))?;
    if lines.is_empty() { Ok(()) } else { print(&lines.join("\n")) }
}

/// An event is shown as `enforcer events` shows it.
fn entry_line(entry: &Entry) -> String {
    match serde_json::from_value::<Event>(entry.event.clone()) {
        Ok(event) => format!("{:>6}  {}", entry.seq, line::render(&event)),
        Err(_) => {
            let event = plain(&entry.event.to_string());
            format!("{:>6}  {}  {event}", entry.seq, when::instant(entry.time))
        }
    }
}

fn verify(log: &Path, output: OutputArgs) -> Result<(), Failure> {
    let verified = match audit::verify(log) {
        Ok(verified) => verified,
        Err(error) if output.format == Format::Json => {
            let report = json!({ "valid": false, "log": log, "error": error.to_string() });
            output.print(&report, |_| String::new())?;
            return Err(Failure::Reported(Code::Failed));
        }
        Err(error) => return Err(broken(error)),
    };
    let report = json!({
        "valid": true,
        "log": log,
        "entries": verified.entries,
        "first": rfc3339(verified.first),
        "last": rfc3339(verified.last),
        "checkpoint": verified.checkpoint,
        "unfinished": verified.unfinished,
    });
    output.print(&report, |_| render(log, &verified))
}

fn rfc3339(time: Option<OffsetDateTime>) -> Option<String> {
    time?.format(&time::format_description::well_known::Rfc3339).ok()
}

fn render(log: &Path, verified: &Verified) -> String {
    let entries = match verified.entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    };
    let span = match (verified.first, verified.last) {
        (Some(first), Some(last)) => format!("{} to {}", when::instant(first), when::instant(last)),
        _ => "-".to_owned(),
    };
    let checkpoint = match verified.checkpoint {
        Some(entry) => format!("entry {entry}"),
        None => "none yet".to_owned(),
    };
    let mut rows = vec![
        ("valid", format!("{entries}, each bound to the one before")),
        ("log", log.display().to_string()),
        ("written", span),
        ("checkpoint", checkpoint),
    ];
    if verified.unfinished {
        rows.push((
            "note",
            "the last line is unfinished: being written, or left by a crash".into(),
        ));
    }
    pairs(&rows)
}

fn unread(error: &TailError) -> Failure {
    Failure::failed(error.to_string())
}

fn broken(error: VerifyError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error {
        VerifyError::Read { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            failure.hint("the log is root's: run this as root")
        }
        VerifyError::Read { .. } => failure.hint("`enforcer run` begins it, below `state_dir`"),
        VerifyError::NoCheckpoint { .. } => {
            failure.hint("entries that are there are proved; whether there were more is not")
        }
        VerifyError::OnRecord { .. } => failure.hint(
            "what follows is proved; keep log and checkpoint, and move them away to begin anew",
        ),
        VerifyError::Broken { .. } | VerifyError::Cut { .. } => failure.hint(
            "keep the file as it is; entries before this line are proved, those after it are not",
        ),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn verified() -> Verified {
        Verified {
            entries: 1841,
            first: Some(datetime!(2026-11-21 10:00 UTC)),
            last: Some(datetime!(2026-11-22 10:00:00.5 UTC)),
            checkpoint: Some(1841),
            unfinished: false,
        }
    }

    #[test]
    fn a_proof_says_what_it_proves() {
        insta::assert_snapshot!(render(Path::new("/var/lib/enforcer/audit.jsonl"), &verified()));
    }

    #[test]
    fn a_proof_says_what_it_does_not_prove() {
        let weak = Verified { entries: 1, checkpoint: None, unfinished: true, ..verified() };
        insta::assert_snapshot!(render(Path::new("/var/lib/enforcer/audit.jsonl"), &weak));
    }

    #[test]
    fn an_entry_of_another_shape_is_shown_as_it_is() {
        let entry = Entry {
            seq: 3,
            time: datetime!(2026-11-22 10:00 UTC),
            prev: String::new(),
            hash: String::new(),
            event: json!({ "note": "a\u{9b}b" }),
        };
        let line = entry_line(&entry);
        assert_eq!(line, "     3  2026-11-22 10:00:00.000Z  {\"note\":\"a\\u{9b}b\"}");
    }
}
