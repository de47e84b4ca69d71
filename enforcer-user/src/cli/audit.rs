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
    ///
    /// Goes through all files that the log was rotated into. Files that retention
    /// removed are told from such as somebody else did.
    #[command(after_help = "\
Example, with a checkpoint that the journal or a SIEM has kept:
  enforcer audit verify --checkpoint 1841:3f0c…")]
    Verify {
        /// The trail must go through this entry: its number and its hash
        #[arg(long, value_name = "SEQ:HASH", value_parser = checkpoint)]
        checkpoint: Option<(u64, String)>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Write entries for a SIEM, one JSON object a line
    Export(ExportArgs),
}

pub(crate) fn run(config: Option<&Path>, command: &AuditCommand) -> Result<(), Failure> {
    let log = settings::load(config)?.state_dir.join(audit::LOG);
    match command {
        AuditCommand::Tail { lines, output } => tail(&log, *lines, output.format),
        AuditCommand::Verify { checkpoint, output } => verify(&log, checkpoint.clone(), *output),
        AuditCommand::Export(args) => export::run(&log, args),
    }
}

fn checkpoint(text: &str) -> Result<(u64, String), String> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| {
        let hex = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
        Some((seq.parse().ok()?, hex.then(|| hash.to_ascii_lowercase())?))
    });
    parsed.ok_or_else(|| "not an entry's number, a colon and its hash of 64 digits".to_owned())
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

fn verify(
    log: &Path,
    checkpoint: Option<(u64, String)>,
    output: OutputArgs,
) -> Result<(), Failure> {
    let marked = checkpoint.as_ref().map(|(seq, _)| *seq);
    let verified = match audit::verify_against(log, checkpoint) {
        Ok(verified) => verified,
        Err(error) if output.format == Format::Json => {
            let report = json!({ "valid": false, "log": log, "error": error.to_string() });
            output.print(&report, |_| String::new())?;
            return Err(Failure::Reported(Code::Failed));
        }
        Err(error) => return Err(broken(error)),
    };
    if marked.is_some_and(|seq| seq <= verified.removed) {
        let message = "retention removed the checkpoint's entry: it proves nothing here any more";
        return Err(Failure::failed(message).hint("name a checkpoint of a later day"));
    }
    let report = json!({
        "valid": true,
        "log": log,
        "entries": verified.entries,
        "files": verified.files,
        "removed": verified.removed,
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
    if verified.files > 1 {
        rows.insert(2, ("files", verified.files.to_string()));
    }
    if verified.removed > 0 {
        let removed =
            format!("entries 1 to {}, by retention, as the log itself says", verified.removed);
        rows.push(("removed", removed));
    }
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
        VerifyError::Gone { .. } => failure.hint(
            "what is there is proved; look for audit.*.jsonl files that were moved or restored",
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
            files: 1,
            removed: 0,
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
    fn a_proof_over_many_files_says_what_retention_removed() {
        let long = Verified { files: 12, removed: 7_000, ..verified() };
        insta::assert_snapshot!(render(Path::new("/var/lib/enforcer/audit.jsonl"), &long));
    }

    #[test]
    fn a_checkpoint_is_typed_as_number_and_hash() {
        let hash = "aB".repeat(32);
        assert_eq!(checkpoint(&format!("7:{hash}")), Ok((7, "ab".repeat(32))));
        for wrong in
            ["7", "7:ab", ":", "x:y", &format!("-1:{hash}"), &format!("7:{}", "g".repeat(64))]
        {
            assert!(checkpoint(wrong).is_err(), "{wrong}");
        }
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
