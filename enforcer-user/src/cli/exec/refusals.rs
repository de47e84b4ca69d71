//! Tells the daemon which calls CMD was refused. The call is answered first:
//! nobody waits for the daemon.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::client::Client;
use crate::cli::exec::listener::{Call, Listener};
use crate::cli::exec::syscalls::{SOCKETS, TAMPERING, TAMPERING_AT_TIMES};
use crate::cli::failure::warn;
use crate::daemon::protocol::{Refusal, Request};
use crate::events::{Process, comm_of};

/// A daemon that is stopped is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// No more than this many a second; the others are counted.
const EACH_SECOND: u32 = 16;

/// The way to the daemon, which holds after the mounts have been changed.
pub(super) struct Daemon {
    /// The control socket's folder, as it was.
    folder: File,
    /// Its name there.
    socket: OsString,
    agent: String,
}

/// What was told lately.
struct Told {
    daemon: Daemon,
    since: Instant,
    count: u32,
    /// Not told yet, of which this is the last.
    held_back: u32,
    last: Option<Refusal>,
}

/// Goes on in a thread of its own; the sender's end says that it is over.
pub(super) struct Hearing(Receiver<Infallible>);

// === impl Daemon ===

impl Daemon {
    /// Where the daemon answers, if it ever does; `None` without that folder.
    pub(super) fn at(control_socket: &Path, agent: &str) -> Option<Self> {
        let folder = File::open(control_socket.parent()?).ok()?;
        let socket = control_socket.file_name()?.to_owned();
        Some(Self { folder, socket, agent: agent.to_owned() })
    }

    /// Whether it has been told.
    fn tell(&self, refusal: &Refusal) -> bool {
        let descriptor = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        Client::connect_for(&Path::new(&descriptor).join(&self.socket), PATIENCE)
            .and_then(|mut client| client.ask(&Request::Refused(refusal.clone())))
            .is_ok()
    }
}

// === impl Hearing ===

impl Hearing {
    /// Answers CMD's calls until nobody can make one, and tells the daemon of them.
    pub(super) fn begin(listener: io::Result<Listener>, daemon: Option<Daemon>) -> Self {
        let (over, end) = mpsc::channel();
        match listener {
            Ok(listener) => drop(thread::spawn(move || hear(&listener, daemon, &over))),
            Err(error) => warn(&format!("calls that CMD is refused make no events: {error}")),
        }
        Self(end)
    }

    /// Waits until what is over is told. Processes that CMD left behind may go on.
    pub(super) fn end(self) {
        if let Ok(never) = self.0.recv_timeout(PATIENCE) {
            match never {}
        }
    }
}

/// Ends with the last process that could be refused something.
fn hear(listener: &Listener, daemon: Option<Daemon>, _over: &Sender<Infallible>) {
    let mut told = daemon.map(Told::nothing);
    while let Ok(Some(call)) = listener.next() {
        let process = process(call.thread);
        listener.refuse(call);
        told.iter_mut().for_each(|told| told.tell(call, process.clone()));
    }
    told.iter_mut().for_each(Told::tell_the_rest);
}

// === impl Told ===

impl Told {
    fn nothing(daemon: Daemon) -> Self {
        Self { daemon, since: Instant::now(), count: 0, held_back: 0, last: None }
    }

    fn tell(&mut self, call: Call, process: Option<Process>) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
        let refusal = Refusal {
            agent: self.daemon.agent.clone(),
            call: name(call.number),
            socket: SOCKETS.iter().any(|(number, _)| *number == call.number),
            process,
            suppressed: self.held_back,
        };
        if self.count <= EACH_SECOND && self.daemon.tell(&refusal) {
            (self.held_back, self.last) = (0, None);
        } else {
            (self.held_back, self.last) = (self.held_back.saturating_add(1), Some(refusal));
        }
    }

    fn tell_the_rest(&mut self) {
        let Some(last) = self.last.take() else { return };
        // A daemon that is not there hears nothing: its programs refuse as well.
        self.daemon.tell(&Refusal { suppressed: self.held_back - 1, ..last });
    }
}

fn name(number: i64) -> String {
    let mut known = [TAMPERING, TAMPERING_AT_TIMES, SOCKETS].into_iter().flatten();
    let name = known.find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| number.to_string())
}

/// The process of a thread that waits for its answer.
fn process(thread: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let number = |text: &str| text.split_whitespace().nth(1).unwrap_or(text).parse().ok();
    let (pid, uid) = (field("Tgid:").and_then(number)?, field("Uid:").and_then(number)?);
    Some(Process { pid, comm: comm_of(pid)?, exe: None, uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_is_named_with_its_process() {
        // SAFETY: cannot fail, touches no memory.
        let thread = unsafe { libc::gettid() };
        let seen = process(u32::try_from(thread).expect("a number")).expect("this process");
        assert_eq!(seen.pid, std::process::id());
        assert_eq!(seen.uid, nix::unistd::getuid().as_raw());
        assert!(process(0).is_none());
    }

    #[test]
    fn a_call_is_told_by_its_name() {
        assert_eq!(name(libc::SYS_bpf), "bpf");
        assert_eq!(name(libc::SYS_ioctl), "ioctl");
        assert_eq!(name(-7), "-7");
    }
}
