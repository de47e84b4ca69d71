//! Every fuzz target for a few seconds. cargo-fuzz needs nightly features;
//! `RUSTC_BOOTSTRAP=1` grants them to the pinned stable compiler.

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;
use crate::test::libtest::Outcome;
use crate::workspace::Workspace;

/// Runs all targets, each for `seconds`.
pub(crate) fn run(workspace: &Workspace, seconds: u32) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for target in targets(workspace)? {
        let mut command = fuzzer(workspace, &target, seconds)?;
        let log = workspace.test_logs().join(format!("fuzz-{target}.log"));
        let finished = shell::run_watched(&format!("fuzz {target}"), &mut command, &log)?;
        if finished.status.success() {
            outcome.passed += 1;
        } else {
            eprintln!("{}", finished.lines.join("\n"));
            outcome.failed.push(format!("{target}: see {}", log.display()));
        }
    }
    Ok(outcome)
}

/// Starts from the committed seeds; what it finds goes to the first folder.
fn fuzzer(workspace: &Workspace, target: &str, seconds: u32) -> Result<Command> {
    let [corpus, seeds] = ["corpus", "seeds"].map(|kind| format!("fuzz/{kind}/{target}"));
    std::fs::create_dir_all(workspace.root().join(&corpus))
        .with_context(|| format!("create {corpus}"))?;
    // Unoptimised: compiling takes longer than some seconds of fuzzing gain.
    let mut command = cargo_fuzz(workspace, &["run", "--dev", target, &corpus, &seeds, "--"]);
    command.arg(format!("-max_total_time={seconds}"));
    Ok(command)
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let listed =
        shell::output(&mut cargo_fuzz(workspace, &["list"])).context("list the fuzz targets")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn cargo_fuzz(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = Command::new(workspace.tools().join("bin/cargo-fuzz"));
    command.arg("fuzz").args(args).current_dir(workspace.root()).env("RUSTC_BOOTSTRAP", "1");
    command
}
