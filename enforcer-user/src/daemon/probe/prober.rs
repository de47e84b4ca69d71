//! The parent's side: starts the child, asks it, replaces it when it is stuck.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::SUBCOMMAND;
use super::report::{Order, Report};

/// The shots take under a millisecond; a child that needs longer is stuck,
/// for instance in a cgroup that was frozen around it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The child cannot be started or talked to.
    #[error("self-check: {0}")]
    Io(#[from] io::Error),
    /// The child ended.
    #[error("self-check: the prober ended")]
    Ended,
    /// The child did not answer.
    #[error("self-check: the prober did not answer within {} s", PATIENCE.as_secs())]
    Stuck,
    /// The child said something else.
    #[error("self-check: the prober's answer: {0}")]
    Answer(#[from] serde_json::Error),
}

/// What is done with a new child's process id before its first order: the
/// programs must let it leave where no agent may.
pub(super) type Admit = Box<dyn Fn(u32) -> io::Result<()> + Send>;

/// The prober; its child is started when it is first needed.
pub struct Prober {
    program: PathBuf,
    arguments: Vec<&'static str>,
    admit: Admit,
    child: Option<Running>,
}

#[derive(Debug)]
struct Running {
    /// Killed when dropped, so a stuck one cannot stay in an agent's cgroup.
    _process: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

// === impl Prober ===

impl Prober {
    /// A prober whose child is this binary, whatever has become of its file.
    pub(in crate::daemon) fn new(admit: Admit) -> Self {
        Self::of(PathBuf::from("/proc/self/exe"), vec![SUBCOMMAND], admit)
    }

    fn of(program: PathBuf, arguments: Vec<&'static str>, admit: Admit) -> Self {
        Self { program, arguments, admit, child: None }
    }

    /// Shoots from `cgroup` (absolute).
    ///
    /// # Errors
    /// No report came; the child is replaced at the next call.
    pub async fn probe(&mut self, cgroup: &Path) -> Result<Report, ProbeError> {
        let mut child = match self.child.take() {
            Some(child) => child,
            None => Running::start(&self.program, &self.arguments, &self.admit)?,
        };
        let report =
            timeout(PATIENCE, child.ask(cgroup)).await.map_err(|_| ProbeError::Stuck)??;
        self.child = Some(child);
        Ok(report)
    }
}

// === impl Running ===

impl Running {
    fn start(program: &Path, arguments: &[&str], admit: &Admit) -> Result<Self, ProbeError> {
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env_clear()
            .kill_on_drop(true)
            .spawn()?;
        admit(process.id().ok_or(ProbeError::Ended)?)?;
        let orders = process.stdin.take().ok_or(ProbeError::Ended)?;
        let reports = BufReader::new(process.stdout.take().ok_or(ProbeError::Ended)?);
        Ok(Self { _process: process, orders, reports })
    }

    async fn ask(&mut self, cgroup: &Path) -> Result<Report, ProbeError> {
        let mut line = serde_json::to_string(&Order { cgroup: cgroup.to_owned() })?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        if self.reports.read_line(&mut answer).await? == 0 {
            return Err(ProbeError::Ended);
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::probe::Outcome;

    /// A child that answers each order by running `body`.
    fn script(body: &'static str) -> Prober {
        let run = "while read -r order; do eval \"$0\"; done";
        Prober::of(PathBuf::from("/bin/sh"), vec!["-c", run, body], Box::new(|_| Ok(())))
    }

    #[tokio::test]
    async fn a_report_says_what_was_not_refused() {
        let mut prober = script(
            r#"echo '{"shots":[{"name":"udp over IPv4","outcome":"passed"}],"failure":null,"frozen":false}'"#,
        );
        let report = prober.probe(Path::new("/x")).await.expect("a report");
        assert_eq!(report.shots[0].outcome, Outcome::Passed);
        assert_eq!(report.problem().as_deref(), Some("udp over IPv4 was not refused"));
        assert_eq!(report.refused(), 0);
    }

    #[tokio::test]
    async fn a_child_that_ends_is_an_error_and_is_replaced() {
        let mut prober = script("exit 0");
        for _ in 0..2 {
            let error = prober.probe(Path::new("/x")).await.expect_err("ended");
            assert!(matches!(error, ProbeError::Ended | ProbeError::Io(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn nonsense_is_an_error() {
        let mut prober = script("echo nonsense");
        let error = prober.probe(Path::new("/x")).await.expect_err("refused");
        assert!(matches!(error, ProbeError::Answer(_)), "{error}");
    }
}
