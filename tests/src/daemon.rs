//! The real daemon, as its operator would run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::binaries;
use crate::http;
use crate::lab::{Lab, METRICS};
use crate::metrics::Metrics;
use crate::wait::{eventually, within};

/// A running `enforcer run`. Dropping it kills it; what it pinned stays until
/// the lab goes.
#[derive(Debug)]
pub struct Daemon<'lab> {
    lab: &'lab Lab,
    child: Option<Child>,
    program: PathBuf,
}

// === impl Daemon ===

impl<'lab> Daemon<'lab> {
    /// Starts the daemon on the lab's files and waits until it is ready.
    pub fn start(lab: &'lab Lab) -> Self {
        let mut daemon = Self::new(lab);
        daemon.spawn();
        daemon.wait_ready();
        daemon
    }

    /// Starts the process without waiting for anything.
    pub fn spawn(&mut self) {
        self.spawn_as(|_| {});
    }

    /// As [`Daemon::spawn`], after `change` has had its way with the command.
    pub fn spawn_as(&mut self, change: impl FnOnce(&mut Command)) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.lab.path("log"));
        let log = log.expect("open the daemon's log");
        let mut command = command(self.lab, &self.program, &["run"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        die_with_parent(&mut command);
        change(&mut command);
        self.child = Some(command.spawn().expect("start the daemon"));
    }

    /// Waits until every agent's enforcement is verified.
    ///
    /// # Panics
    /// With the daemon's log, when it ends or is not ready within three minutes.
    pub fn wait_ready(&mut self) {
        let mut command = enforcer(self.lab, &["wait-ready", "--timeout", "3m"]);
        let waiting = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut waiting = waiting.expect("run enforcer wait-ready");
        let status = within(Duration::from_secs(200), "the daemon to be ready", || {
            let daemon = self.child.as_mut().expect("the daemon was started");
            let ended = daemon.try_wait().expect("ask for the daemon's end");
            assert!(ended.is_none(), "the daemon has ended: {ended:?}\n{}", self.log());
            waiting.try_wait().expect("ask for the waiter's end")
        });
        assert!(status.success(), "not ready: {status:?}\n{}", self.log());
    }

    /// Waits until a daemon that is known to run says that it is ready.
    pub fn wait_until_ready(&self) {
        eventually("the daemon to be ready", || {
            let ready = self.enforcer(&["wait-ready", "--timeout", "5s"]);
            ready.status.success().then_some(())
        });
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon runs").id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.lab.path("log")).unwrap_or_default()
    }

    /// A handle on the daemon that is not started yet.
    pub fn new(lab: &'lab Lab) -> Self {
        Self { lab, child: None, program: binaries::enforcer() }
    }

    /// Takes another build of it from the next start on.
    pub fn take_build(&mut self, program: &Path) {
        program.clone_into(&mut self.program);
    }

    /// Waits until it ends by itself; its exit code.
    pub fn wait_end(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("the daemon was started");
        eventually("the daemon to end", || child.try_wait().expect("ask for the end")).code()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a pid fits");
        kill(Pid::from_raw(pid), signal).expect("signal the daemon");
    }

    /// Ends it without a chance to tidy up.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("the daemon runs");
        child.kill().expect("kill the daemon");
        let _reaped = child.wait();
    }

    /// Ends it in peace; `true` when it said that all went well.
    pub fn stop(&mut self) -> bool {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().expect("the daemon runs");
        let status = eventually("the daemon to end", || child.try_wait().expect("ask for the end"));
        status.success()
    }

    /// Starts it again after [`Daemon::kill9`] or [`Daemon::stop`].
    pub fn restart(&mut self) {
        self.spawn();
        self.wait_ready();
    }

    /// Runs an `enforcer` command against it.
    pub fn enforcer(&self, words: &[&str]) -> Output {
        enforcer(self.lab, words).output().expect("run enforcer")
    }

    /// Runs an `enforcer` command that must succeed.
    ///
    /// # Panics
    /// With what it printed, when it does not.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.enforcer(words);
        assert!(output.status.success(), "enforcer {words:?}: {output:?}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs an `enforcer` command with `-o json`; the value it prints.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Value {
        let text = self.ok(&[words, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    /// Every past event, oldest first.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let text = self.ok(&["events", "-o", "json"]);
        text.lines().map(|line| serde_json::from_str(line).expect("an event a line")).collect()
    }

    /// `GET` on the metrics listener.
    pub fn http(&self, path: &str) -> (u16, String) {
        http::get(&self.lab.host, METRICS, path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// As [`Daemon::http`]; `None` where nobody answers.
    pub fn try_http(&self, path: &str) -> Option<(u16, String)> {
        http::get(&self.lab.host, METRICS, path).ok()
    }

    /// `/metrics`, read.
    pub fn metrics(&self) -> Metrics {
        let (status, text) = self.http("/metrics");
        assert_eq!(status, 200, "{text}");
        Metrics::parse(&text)
    }

    /// Waits until the metrics satisfy `wanted`, and gives them.
    pub fn metrics_when(&self, what: &str, wanted: impl Fn(&Metrics) -> bool) -> Metrics {
        eventually(what, || Some(self.metrics()).filter(&wanted))
    }

    /// User and system time it has spent so far, in clock ticks.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        let after_name = stat.rsplit_once(") ").expect("a name in brackets").1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        // proc(5): utime and stime are fields 14 and 15, the state field 3.
        [11, 12].map(|at| fields[at].parse::<u64>().expect("a number")).iter().sum()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill9();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log ---\n{}", self.log());
        }
    }
}

/// An `enforcer` command on the lab's configuration, in its namespace.
pub fn enforcer(lab: &Lab, words: &[&str]) -> Command {
    command(lab, &binaries::enforcer(), words)
}

fn command(lab: &Lab, program: &Path, words: &[&str]) -> Command {
    let mut command = lab.command(program);
    command.arg("--config").arg(lab.config()).args(words).env("NO_COLOR", "1");
    command
}

/// A killed test leaves no daemon behind.
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: `prctl` is one system call, async-signal-safe.
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
}
