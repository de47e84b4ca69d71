//! Every fuzz target for a few seconds. cargo-fuzz needs nightly features;
//! `RUSTC_BOOTSTRAP=1` grants them to the pinned stable compiler.

use anyhow::{Context, Result};

use crate::shell;
use crate::test::libtest::Outcome;
use crate::workspace::Workspace;

/// Runs all targets, each for `seconds`.
pub(crate) fn run(workspace: &Workspace, seconds: u32) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for target in targets(workspace)? {
        let mut command = cargo_fuzz(workspace, &["run", &target, "--"]);
        command.arg(format!("-max_total_time={seconds}"));
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

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let listed =
        shell::output(&mut cargo_fuzz(workspace, &["list"])).context("list the fuzz targets")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn cargo_fuzz(workspace: &Workspace, args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(workspace.tools().join("bin/cargo-fuzz"));
    command.arg("fuzz").args(args).current_dir(workspace.root()).env("RUSTC_BOOTSTRAP", "1");
    command
}
