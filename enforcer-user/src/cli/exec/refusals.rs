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
/// No more than this many a second of either kind; the others are counted.
const EACH_SECOND: u32 = 16;

/// The way to the daemon, which holds after the mounts have been changed.
pub(super) struct Daemon {
    /// The control socket's folder, as it was.
    folder: File,
    /// Its name there.
    socket: OsString,
    agent: String,
}

/// What was told lately. Each kind by itself: sockets that are refused must
/// neither crowd out an attempt on the enforcement nor be counted as one.
struct Told {
    daemon: Daemon,
    sockets: Budget,
    tampering: Budget,
}

/// What was told of one kind.
struct Budget {
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

// === impl Told, Budget ===

impl Told {
    fn nothing(daemon: Daemon) -> Self {
        Self { daemon, sockets: Budget::new(), tampering: Budget::new() }
    }

    fn tell(&mut self, call: Call, process: Option<Process>) {
        let socket = SOCKETS.iter().any(|(number, _)| *number == call.number);
        let (agent, call) = (self.daemon.agent.clone(), name(call.number));
        let refusal = Refusal { agent, call, socket, process, suppressed: 0 };
        let budget = if socket { &mut self.sockets } else { &mut self.tampering };
        let daemon = &self.daemon;
        budget.tell(refusal, |refusal| daemon.tell(refusal));
    }

    /// A daemon that is not there hears nothing: its programs refuse as well.
    fn tell_the_rest(&mut self) {
        for budget in [&mut self.sockets, &mut self.tampering] {
            if let Some(last) = budget.last.take() {
                self.daemon.tell(&Refusal { suppressed: budget.held_back - 1, ..last });
            }
        }
    }
}

impl Budget {
    fn new() -> Self {
        Self { since: Instant::now(), count: 0, held_back: 0, last: None }
    }

    fn tell(&mut self, refusal: Refusal, tell: impl FnOnce(&Refusal) -> bool) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
        let refusal = Refusal { suppressed: self.held_back, ..refusal };
        if self.count <= EACH_SECOND && tell(&refusal) {
            (self.held_back, self.last) = (0, None);
        } else {
            (self.held_back, self.last) = (self.held_back.saturating_add(1), Some(refusal));
        }
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
    fn what_is_over_budget_is_counted_in_the_next_one_of_its_kind() {
        let refusal = |call: &str| Refusal {
            agent: "worker".into(),
            call: call.into(),
            socket: false,
            process: None,
            suppressed: 0,
        };
        let (mut budget, mut told) = (Budget::new(), Vec::new());
        for _ in 0..EACH_SECOND + 3 {
            budget.tell(refusal("bpf"), |refusal| {
                told.push(refusal.suppressed);
                true
            });
        }
        assert_eq!(told, vec![0; EACH_SECOND as usize]);
        assert_eq!((budget.held_back, budget.last.is_some()), (3, true));
        budget.count = 0;
        budget.tell(refusal("mount"), |refusal| {
            told.push(refusal.suppressed);
            true
        });
        assert_eq!((told.last(), budget.held_back, budget.last), (Some(&3), 0, None));
    }

    #[test]
    fn a_call_is_told_by_its_name() {
        assert_eq!(name(libc::SYS_bpf), "bpf");
        assert_eq!(name(libc::SYS_ioctl), "ioctl");
        assert_eq!(name(-7), "-7");
    }
}
