//! A program of the operator's, told on stdin. Exit code 0 is done, anything
//! else is tried again. It gets an empty environment but for `PATH`, because
//! the daemon's may hold secrets, and a process group of its own, so that a
//! time-out ends whatever it started.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::notice::Notice;
use super::outcome::{Outcome, Proof};
use super::redact::quote;
use crate::act::outbox::Row;

/// How much of its stderr is read, in bytes.
const MAX_STDERR: u64 = 4096;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Ends the process group when dropped, also when the attempt is cancelled,
/// unless it ended by itself.
struct Group(Option<Pid>);

/// Runs it.
pub(super) async fn kill(argv: &[String], timeout: Duration, row: &Row) -> Outcome {
    let input = match Notice::of(row).bytes() {
        Ok(input) => input,
        Err(error) => return Outcome::fail(format!("write the command's input: {error}")),
    };
    let Some((program, arguments)) = argv.split_first() else {
        return Outcome::fail("the command is empty");
    };
    let mut child = match spawn(program, arguments) {
        Ok(child) => child,
        Err(error) => return Outcome::retry(format!("start {program}: {error}")),
    };
    let mut group = Group::of(&child);
    let talked = tokio::time::timeout(timeout, talk(&mut child, &input)).await;
    if matches!(talked, Ok(Ok(_))) {
        // Everything has ended: the id may soon be somebody else's.
        group.0 = None;
    }
    match talked {
        Ok(Ok((status, _))) if status.success() => Outcome::Done(Proof::Acknowledged),
        Ok(Ok((status, said))) => Outcome::retry(ending(program, status, &said)),
        Ok(Err(error)) => Outcome::retry(format!("{program}: {error}")),
        Err(_) => Outcome::retry(format!("{program} took longer than {timeout:?} and was killed")),
    }
}

fn spawn(program: &str, arguments: &[String]) -> std::io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// Writes the notice, reads what it complains about, waits for its end.
async fn talk(child: &mut Child, input: &[u8]) -> std::io::Result<(ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let tell = async {
        let Some(mut stdin) = stdin else { return };
        // A program that does not read its input may still do its work.
        drop(stdin.write_all(input).await);
    };
    let listen = async {
        let mut said = Vec::new();
        let Some(stderr) = stderr else { return Ok(said) };
        let mut stderr = stderr.take(MAX_STDERR);
        stderr.read_to_end(&mut said).await?;
        // Read on, or a talkative program would block.
        tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await?;
        std::io::Result::Ok(said)
    };
    let ((), said, status) = tokio::join!(tell, listen, child.wait());
    Ok((status?, String::from_utf8_lossy(&said?).into_owned()))
}

fn ending(program: &str, status: ExitStatus, said: &str) -> String {
    let said = quote(said);
    if said.is_empty() {
        format!("{program}: {status}")
    } else {
        format!("{program}: {status}: {said}")
    }
}

// === impl Group ===

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(group) = self.0 else { return };
        // An error means that it ended in this moment.
        if let Err(error) = killpg(group, Signal::SIGKILL) {
            tracing::debug!(%group, %error, "the command's group has ended");
        }
    }
}
