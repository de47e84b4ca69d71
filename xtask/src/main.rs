//! Every command a developer needs. `cargo xtask --help` lists them.

mod bench;
mod build;
mod demo;
mod doctor;
mod lint;
mod progress;
mod setup;
mod shell;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Every command a developer of the enforcer needs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find or install what compiles Rust to eBPF.
    Setup(setup::Options),
    /// Build the kernel programs and the `enforcer` binary that embeds them.
    Build(build::Options),
    /// Show the main job, live, in namespaces of its own.
    Demo(demo::Options),
    /// Run the tests of every tier.
    Test(test::Options),
    /// Measure what enforcement costs, beside other firewalls.
    Bench(bench::Options),
    /// Check format, lints, kernel programs, licences and sources.
    Lint,
    /// What CI runs: every test.
    Ci,
    /// Show what this host has and lacks for development.
    Doctor,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match &cli.command {
        Command::Setup(options) => setup::run(&workspace, options).map(|()| ExitCode::SUCCESS),
        Command::Build(options) => build::run(&workspace, options).map(|_| ExitCode::SUCCESS),
        Command::Demo(options) => demo::run(&workspace, options),
        Command::Test(options) => test::run(&workspace, options),
        Command::Bench(options) => bench::run(&workspace, options),
        Command::Lint => lint::run(&workspace),
        Command::Ci => test::run(&workspace, &test::Options::for_ci()),
        Command::Doctor => doctor::run(&workspace).map(|()| ExitCode::SUCCESS),
    }
}
