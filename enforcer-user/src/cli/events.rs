//! `enforcer events`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use clap::Args;
use time::OffsetDateTime;

use crate::cli::client::Client;
use crate::cli::failure::{Failure, warn};
use crate::cli::output::{Format, OutputArgs};
use crate::cli::{settings, when};
use crate::daemon::protocol::{EventLine, Request};

pub(crate) mod line;

/// Of `enforcer events`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  enforcer events --follow --agent lead-enricher
  enforcer events --since 10m -o json | jq 'select(.kind == \"denied\")'")]
pub(crate) struct EventsArgs {
    /// Go on with new events
    #[arg(long, short = 'f')]
    follow: bool,
    /// Only this agent's
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only since then: a span like 10m or 1h, or a time in RFC 3339
    ///
    /// The daemon keeps events since its own start, and not all of a flood; what was
    /// before is in `enforcer audit tail`.
    #[arg(long, value_name = "T", value_parser = parse_since)]
    since: Option<OffsetDateTime>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn parse_since(text: &str) -> Result<OffsetDateTime, String> {
    when::since(text, OffsetDateTime::now_utc())
}

pub(crate) fn run(config: Option<&Path>, args: &EventsArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let mut client = Client::connect(&settings.control_socket)?;
    client.ask_events(&Request::Events {
        agent: args.agent.clone(),
        since: args.since,
        follow: args.follow,
    })?;
    let (screen, mut stdout) = (io::stdout(), io::stdout().lock());
    while let Some(line) = client.event(screen.as_fd())? {
        match args.output.format {
            Format::Table => table_line(&mut stdout, &line)?,
            Format::Json => json_line(&mut stdout, &line)?,
        }
    }
    // There is always a next event, as long as there is a daemon.
    if args.follow { Err(client.hung_up()) } else { Ok(()) }
}

fn table_line(out: &mut impl Write, line: &EventLine) -> Result<(), Failure> {
    match line {
        EventLine::Event(event) => Ok(writeln!(out, "{}", line::render(event))?),
        EventLine::Skipped { skipped } => {
            warn(&format!("too slow: {skipped} events were passed over"));
            Ok(())
        }
    }
}

fn json_line(out: &mut impl Write, line: &EventLine) -> Result<(), Failure> {
    let text = serde_json::to_string(line)
        .map_err(|error| Failure::failed(format!("write an event as JSON: {error}")))?;
    Ok(writeln!(out, "{text}")?)
}
