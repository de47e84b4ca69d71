//! `cargo xtask bench` builds and starts this.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use enforcer_bench::driver::INTERRUPTED;
use enforcer_bench::report::Report;
use enforcer_bench::run::{self, SIZES, Scope};
use enforcer_bench::targets::Outcome;
use enforcer_bench::{compare, docs, sender, table};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Measures what enforcement costs, beside other firewalls. Needs root.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    #[command(subcommand)]
    command: Option<Hidden>,
    /// How to print the results; they are in target/bench/latest.json in any case.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Fail when a target is missed that this machine could measure.
    #[arg(long)]
    check: bool,
    /// Say what has changed since an earlier run, beyond the noise of both.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Write docs/PERFORMANCE.md and its chart.
    #[arg(long)]
    write_docs: bool,
    /// Do not measure: read the results of an earlier run.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Numbers of prefixes, instead of all.
    #[arg(long, value_delimiter = ',', value_parser = size)]
    sizes: Vec<u32>,
    /// Only the programs alone: no live traffic, no other firewalls, few agents.
    #[arg(long)]
    programs_only: bool,
    /// Leave out the part with many agents.
    #[arg(long)]
    no_agents: bool,
}

#[derive(Subcommand)]
enum Hidden {
    /// The sending process, started by the bench.
    #[command(hide = true)]
    Send,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Some(Hidden::Send) => sender::serve().map(|()| ExitCode::SUCCESS),
        None => bench(&cli),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn bench(cli: &Cli) -> Result<ExitCode> {
    let earlier = cli.compare.as_deref().map(read).transpose()?;
    let report = match &cli.from {
        Some(file) => read(file)?,
        None => measured(cli)?,
    };
    let mut out = std::io::stdout().lock();
    match cli.output {
        Format::Table => write!(out, "{}", table::of_report(&report))?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
    }
    if let Some(earlier) = &earlier {
        // Beside JSON, words belong elsewhere.
        let words = compare::in_words(&compare::changes(earlier, &report));
        if cli.output == Format::Json { eprint!("{words}") } else { write!(out, "\n{words}")? }
    }
    if cli.write_docs {
        docs::write(&report, &Path::new(ROOT).join("docs"))?;
    }
    let missed = report.targets.iter().any(|t| matches!(t.outcome, Outcome::Missed(_)));
    Ok(if cli.check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measured(cli: &Cli) -> Result<Report> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("watch for Ctrl-C")?;
    let start = Instant::now();
    let say = |what: &str| eprintln!("[{:5.1} s] {what}", start.elapsed().as_secs_f64());
    let sizes = if cli.sizes.is_empty() { SIZES.to_vec() } else { cli.sizes.clone() };
    let (live, agents) = (!cli.programs_only, !cli.programs_only && !cli.no_agents);
    let scope = Scope { sizes, live, agents };
    let report = run::run(&scope, &command(), &say)?;
    let folder = Path::new(ROOT).join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let file = folder.join("latest.json");
    fs::write(&file, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("write {}", file.display()))?;
    Ok(report)
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo xtask bench {}", arguments.join(" ")).trim_end().to_owned()
}

fn read(file: &Path) -> Result<Report> {
    let text = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no report", file.display()))
}

fn size(text: &str) -> Result<u32, String> {
    let known = SIZES.into_iter().find(|size| size.to_string() == text);
    known.ok_or_else(|| format!("one of {SIZES:?}"))
}
