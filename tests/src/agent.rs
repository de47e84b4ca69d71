//! An agent as the test sees it: a process in its cgroup that does what it is
//! told and says how the kernel answered.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::lab::Lab;
use crate::{binaries, cgroup};

/// Where descriptors that are handed in begin.
const FIRST_HANDED: i32 = 10;

/// One answer of the helper.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer(pub Value);

/// A running helper.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

// === impl Answer ===

impl Answer {
    /// Whether it worked.
    pub fn ok(&self) -> bool {
        self.0["ok"] == true
    }

    /// Name of the error, such as `EPERM`; empty when it worked.
    pub fn errno(&self) -> &str {
        self.0["errno"].as_str().unwrap_or_default()
    }

    /// A number of the answer.
    ///
    /// # Panics
    /// When it is not there.
    pub fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {}", self.0))
    }

    /// How often sends failed with this error.
    pub fn errors(&self, errno: &str) -> u64 {
        self.0["errors"][errno].as_u64().unwrap_or(0)
    }

    /// How long the call took, in nanoseconds.
    pub fn took_ns(&self) -> u64 {
        self.number("end_ns") - self.number("start_ns")
    }
}

// === impl Agent ===

impl Agent {
    /// Starts the helper in `cgroup`, in the agents' network namespace.
    pub fn spawn(lab: &Lab, cgroup: &Path) -> Self {
        let mut command = lab.command(binaries::lab_agent());
        cgroup::put(&mut command, cgroup);
        Self::of(&mut command)
    }

    /// Like [`Agent::spawn`]; it inherits these as its descriptors 10, 11, ….
    pub fn with_descriptors(lab: &Lab, cgroup: &Path, handed: &[BorrowedFd<'_>]) -> Self {
        let mut command = lab.command(binaries::lab_agent());
        let handed: Vec<_> =
            (FIRST_HANDED..).zip(handed).map(|(n, fd)| (fd.as_raw_fd(), n)).collect();
        // SAFETY: `dup2` is async-signal-safe, and the numbers were collected
        // before the fork; the descriptors are open for as long as this call.
        unsafe {
            command.pre_exec(move || {
                for &(from, to) in &handed {
                    nix::errno::Errno::result(libc::dup2(from, to))?;
                }
                Ok(())
            });
        }
        cgroup::put(&mut command, cgroup);
        Self::of(&mut command)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for the helper's end")
    }

    /// The helper behind `command`, which starts it without arguments.
    pub fn of(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, stdin, stdout }
    }

    /// The helper's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells the helper what to do and waits until it is done.
    pub fn act(&mut self, words: &str) -> Answer {
        self.begin(words);
        self.finish()
    }

    /// Tells the helper what to do, without waiting.
    pub fn begin(&mut self, words: &str) {
        let stdin = self.stdin.as_mut().expect("the helper still listens");
        writeln!(stdin, "{words}")
            .unwrap_or_else(|error| panic!("tell the helper {words}: {error}"));
    }

    /// Waits for the answer to [`Agent::begin`].
    pub fn finish(&mut self) -> Answer {
        let mut line = String::new();
        let _read = self.stdout.read_line(&mut line).expect("read from the helper");
        let value = serde_json::from_str(&line);
        Answer(value.unwrap_or_else(|error| panic!("the helper said {line:?}: {error}")))
    }

    /// As [`Agent::finish`]; `None` when the helper has ended instead.
    pub fn finish_or_end(&mut self) -> Option<Answer> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).expect("read from the helper");
        (read > 0).then(|| Answer(serde_json::from_str(&line).expect("an answer")))
    }

    /// Asserts that TCP to this address and port is refused with `EPERM`.
    #[track_caller]
    pub fn expect_refused(&mut self, words: &str) {
        let answer = self.act(words);
        assert_eq!(answer.errno(), "EPERM", "{words}: {}", answer.0);
    }

    /// Asserts that it works.
    #[track_caller]
    pub fn expect_ok(&mut self, words: &str) -> Answer {
        let answer = self.act(words);
        assert!(answer.ok(), "{words}: {}", answer.0);
        answer
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
