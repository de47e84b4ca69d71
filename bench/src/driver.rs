//! The bench's end of a sender: a process in the agent's cgroup, in a network
//! namespace of its own, that sends when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use crate::order::{Home, Order, Sent, Traffic};
use crate::place::Place;
use crate::wire::Wire;

/// The word that turns this program into a sender.
pub const SENDER: &str = "send";
/// What a sender says when its sockets are made.
pub const READY: &str = "ready";

/// Set by Ctrl-C: the next turn fails, and everything is taken down again.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A running sender.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

// === impl Sender ===

impl Sender {
    /// Starts one, lets `greet` see its number before it goes into a cgroup, and
    /// waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or ends before it is ready; or what `greet` says.
    pub fn start(wire: &Wire, home: &Home, greet: impl FnOnce(u32) -> Result<()>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(SENDER);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: one system call, async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                // A sender must not outlive the bench.
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                    Ok(())
                } else {
                    Err(std::io::Error::last_os_error())
                }
            });
        }
        let mut child = wire.far.put(&mut command).spawn().context("start a sender")?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let orders = orders.context("the sender has no input")?;
        let answers = BufReader::new(answers.context("the sender has no output")?);
        let mut sender = Self { child, orders, answers };
        greet(sender.child.id())?;
        let home = serde_json::to_string(home)?;
        writeln!(sender.orders, "{home}").context("tell the sender where to live")?;
        if sender.line()?.trim() != READY {
            bail!("the sender did not get ready");
        }
        Ok(sender)
    }

    /// Starts one as the agent of a place.
    ///
    /// # Errors
    /// As [`Sender::start`].
    pub fn at(wire: &Wire, place: &Place) -> Result<Self> {
        let home = Home { near: wire.near.path(), cgroups: vec![place.agent()] };
        Self::start(wire, &home, |_| Ok(()))
    }

    /// Lets it send, and waits until it has.
    ///
    /// # Errors
    /// It has ended; or more than a few of its calls were refused where none
    /// should have been: what is measured would not be what it says.
    pub fn send(&mut self, order: &Order) -> Result<Sent> {
        if INTERRUPTED.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        writeln!(self.orders, "{}", serde_json::to_string(order)?).context("tell the sender")?;
        let line = self.line()?;
        let sent: Sent = serde_json::from_str(&line).with_context(|| format!("hear {line:?}"))?;
        let refused = sent.failed > sent.done / 100 && !order.traffic.expects_refusal();
        // A bulk sender is told "not now" all the time.
        if refused && order.traffic != Traffic::Bulk || sent.cpu_ns == 0 {
            bail!("{} of {} calls failed", sent.failed, sent.failed + sent.done);
        }
        Ok(sent)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("hear the sender")?;
        if line.is_empty() {
            bail!("the sender has ended");
        }
        Ok(line)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _status = self.child.wait();
    }
}
