//! `enforcer audit export`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use crate::audit;
use crate::cli::events::parse_since;
use crate::cli::failure::Failure;
use crate::config::ExportFormat;

/// Of `enforcer audit export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  enforcer audit export --format ocsf --since 24h --output audit.ocsf.jsonl
  enforcer audit export --format ecs | gzip > audit.ecs.jsonl.gz")]
pub(crate) struct ExportArgs {
    /// In whose words
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Words,
    /// Only since then: a span like 10m or 1h, or a time in RFC 3339
    #[arg(long, value_name = "T", value_parser = parse_since)]
    since: Option<OffsetDateTime>,
    /// Write to this file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// [`ExportFormat`] as it is typed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Words {
    /// As they stand in the log, with their hashes
    #[default]
    Jsonl,
    /// Elastic Common Schema 9.4
    Ecs,
    /// Open Cybersecurity Schema Framework 1.8
    Ocsf,
}

// === impl Words ===

impl Words {
    const fn meant(self) -> ExportFormat {
        match self {
            Self::Jsonl => ExportFormat::Jsonl,
            Self::Ecs => ExportFormat::Ecs,
            Self::Ocsf => ExportFormat::Ocsf,
        }
    }
}

pub(super) fn run(log: &Path, args: &ExportArgs) -> Result<(), Failure> {
    match &args.output {
        None => write(log, args, io::stdout().lock(), Failure::from),
        Some(file) => {
            let failed = |error| Failure::failed(format!("write {}: {error}", file.display()));
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            write(log, args, options.open(file).map_err(failed)?, failed)
        }
    }
}

fn write(
    log: &Path,
    args: &ExportArgs,
    to: impl Write,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let (host, format) = (audit::host_name(), args.format.meant());
    let mut to = BufWriter::new(to);
    for entry in audit::entries(log).map_err(|error| super::unread(&error))? {
        let entry = entry.map_err(|error| super::unread(&error))?;
        if args.since.is_some_and(|since| entry.time < since) {
            continue;
        }
        let line = format.line(&entry, &host);
        let line = line.map_err(|error| Failure::failed(format!("write an entry: {error}")))?;
        writeln!(to, "{line}").map_err(&failed)?;
    }
    to.flush().map_err(failed)
}
