//! `cargo xtask test`: every tier, one summary, and nothing left behind.

mod binaries;
mod fuzz;
mod guest;
mod initramfs;
mod lanes;
mod leftovers;
mod libtest;
mod modules;
mod place;
mod skips;
mod summary;
mod tier;
mod vm;

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::setup::kernels::{self, Version};
use crate::test::binaries::Built;
use crate::test::leftovers::Leftovers;
use crate::test::libtest::Outcome;
use crate::test::place::Place;
use crate::test::summary::{Row, Summary};
use crate::test::tier::Tier;
use crate::test::vm::Guest;
use crate::workspace::Workspace;
use crate::{build, setup, shell};

/// Seconds that each fuzz target runs in CI.
const FUZZ_SECONDS: u32 = 10;

/// Which tests to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Only this tier; may be given more than once. Default: all.
    #[arg(long = "tier", value_enum)]
    pub(crate) tiers: Vec<Tier>,
    /// In the virtual machine this kernel, as `6.12`; may be given more than
    /// once. Default: every one below target/vm, the newer ones only to see whether
    /// they take the programs.
    #[arg(long = "kernel", value_parser = kernels::parse_version)]
    pub(crate) kernels: Vec<Version>,
    /// In the virtual machine only kernels that were started without BPF among
    /// their security modules. With --kernel or --long each is started both ways,
    /// else, and with --only, just with it.
    #[arg(long)]
    pub(crate) without_lsm: bool,
    /// Only test binaries whose name contains this; may be given more than
    /// once. Not for the fuzz tier.
    #[arg(long = "only")]
    pub(crate) only: Vec<String>,
    /// Seconds that each fuzz target runs.
    #[arg(long, default_value_t = FUZZ_SECONDS)]
    pub(crate) fuzz_seconds: u32,
    /// The flood of denied packets lasts 60 s instead of 10 s, in front of a
    /// daemon built with `--release` whose use of the processor is judged, and
    /// the virtual machine runs every test on every kernel.
    #[arg(long)]
    pub(crate) long: bool,
}

impl Options {
    /// As `cargo xtask test` without a flag.
    pub(crate) fn for_ci() -> Self {
        Self {
            tiers: Vec::new(),
            kernels: Vec::new(),
            without_lsm: false,
            only: Vec::new(),
            fuzz_seconds: FUZZ_SECONDS,
            long: false,
        }
    }
}

/// Runs the tiers; the exit code says whether all of them passed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let tiers = Tier::chosen(&options.tiers);
    refuse_without_root(&tiers)?;
    prepare(workspace, &tiers)?;
    let mut built = binaries::build(workspace)?;
    built.keep_only(&options.only);
    if options.long {
        built.replace_program(build::userland(workspace, &build::Options { release: true })?);
    }
    let before = Leftovers::look(&built)?;
    let mut summary = Summary::default();
    for tier in tiers {
        eprintln!("tier {tier}");
        summary.rows.extend(run_tier(workspace, tier, options, &built)?);
    }
    summary.leftovers = Leftovers::look(&built)?.since(&before);
    summary.print();
    Ok(if summary.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn refuse_without_root(tiers: &[Tier]) -> Result<()> {
    let needing: Vec<String> =
        tiers.iter().filter(|tier| tier.needs_root()).map(Tier::to_string).collect();
    if needing.is_empty() || shell::is_root() {
        return Ok(());
    }
    bail!(
        "the tiers {} make namespaces and cgroups and load kernel programs: run as root\nhint: without root: cargo xtask test --tier pure --tier fuzz",
        needing.join(" and ")
    );
}

/// The pure tier needs no eBPF toolchain; every other one does, or the test tools.
fn prepare(workspace: &Workspace, tiers: &[Tier]) -> Result<()> {
    if tiers == [Tier::Pure] {
        return Ok(());
    }
    let toolchain = setup::ensure(workspace, &setup::Options { tests: true, bench: false })?;
    build::kernel_programs(workspace, &toolchain)?;
    Ok(())
}

/// The tier's rows: one, and in the virtual machine one for each guest.
fn run_tier(
    workspace: &Workspace,
    tier: Tier,
    options: &Options,
    built: &Built,
) -> Result<Vec<Row>> {
    match tier {
        Tier::Vm => {
            let guests = vm::guests(workspace, built, options)?;
            let one = |guest: &Guest| row(workspace, guest.place(), || guest.run(workspace));
            lanes::side_by_side(&guests, one).into_iter().collect()
        }
        Tier::Fuzz => {
            let run = || fuzz::run(workspace, options.fuzz_seconds);
            Ok(vec![row(workspace, tier.into(), run)?])
        }
        Tier::Pure | Tier::Bpf | Tier::Lab => {
            let run = || run_here(workspace, tier, options, built);
            Ok(vec![row(workspace, tier.into(), run)?])
        }
    }
}

fn row(workspace: &Workspace, place: Place, run: impl Fn() -> Result<Outcome>) -> Result<Row> {
    let started = Instant::now();
    let mut outcome = run()?;
    skips::judge(workspace, place, &mut outcome)?;
    Ok(Row { place, outcome, seconds: started.elapsed().as_secs_f64() })
}

fn run_here(
    workspace: &Workspace,
    tier: Tier,
    options: &Options,
    built: &Built,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for test in built.tests.iter().filter(|test| test.tier == tier) {
        outcome.add(libtest::run(workspace, tier, test, built, options.long)?);
    }
    if tier == Tier::Pure {
        outcome.add(documentation(workspace)?);
    }
    Ok(outcome)
}

/// Examples in the documentation comments.
fn documentation(workspace: &Workspace) -> Result<Outcome> {
    let mut command = shell::cargo();
    command.args(["test", "--doc", "--quiet"]).current_dir(workspace.root());
    let log = workspace.test_logs().join("pure-doc.log");
    let finished = shell::run_watched("documentation examples", &mut command, &log)
        .context("run the documentation's examples")?;
    Ok(libtest::read("documentation examples", finished.status.success(), &finished.lines))
}

/// `program` with an end to its patience: a hung test must not hang the run.
fn within(seconds: u32, program: &std::path::Path) -> Command {
    let mut command = Command::new("timeout");
    // In the foreground, so that Ctrl-C reaches the tests as well.
    command.args(["--foreground", "--kill-after=10", &seconds.to_string()]).arg(program);
    command
}
