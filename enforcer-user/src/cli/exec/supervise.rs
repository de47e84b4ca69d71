//! The launcher while CMD runs: passes signals on, stops and goes on with it,
//! ends as it ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::{Pid, getpgid, getpgrp, getpid};

use crate::cli::exec::launch::Launched;

/// Signals that are CMD's business.
const FORWARDED: [Signal; 9] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCONT,
    Signal::SIGTSTP,
];
/// `asm-generic/siginfo.h`: sent by the kernel, not by a process.
const SI_KERNEL: i32 = 0x80;

/// The signals, blocked in this thread and read from a descriptor instead.
pub(super) struct Signals(SignalFd);

// === impl Signals ===

impl Signals {
    /// Blocks them. Before the fork, so that none is lost between.
    pub(super) fn block() -> io::Result<Self> {
        // An ignored SIGCHLD, which a caller may have left us, has no zombie
        // to wait for.
        // SAFETY: sets the default action; no handler is involved.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl)? };
        let set: SigSet = FORWARDED.into_iter().chain([Signal::SIGCHLD]).collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&set, flags)?))
    }
}

/// Waits for the end of CMD and returns its exit code, 128 + n for signal n.
pub(super) fn supervise(command: &Launched, signals: &Signals) -> io::Result<u8> {
    loop {
        wait_for_either(&command.pidfd, &signals.0)?;
        while let Some(info) = signals.0.read_signal()? {
            pass_on(command.pid, &info)?;
        }
        if let Some(code) = look_after(command.pid)? {
            return Ok(code);
        }
    }
}

fn wait_for_either(pidfd: &OwnedFd, signals: &SignalFd) -> io::Result<()> {
    let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds = [readable(pidfd.as_fd()), readable(signals.as_fd())];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn pass_on(command: Pid, info: &siginfo) -> io::Result<()> {
    let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
    let signal = Signal::try_from(number)?;
    if signal == Signal::SIGCHLD || already_has_it(command, signal, info) {
        return Ok(());
    }
    match kill(command, signal) {
        // It has ended; that comes next.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The terminal sends to the whole foreground process group, CMD included.
/// A hang-up it sends to the session leader alone.
fn already_has_it(command: Pid, signal: Signal, info: &siginfo) -> bool {
    info.ssi_code == SI_KERNEL
        && signal != Signal::SIGHUP
        && getpgid(Some(command)) == Ok(getpgrp())
}

/// The exit code once there is one. Where CMD has stopped the launcher stops
/// too, so that the shell has its prompt back; SIGCONT starts both.
fn look_after(command: Pid) -> io::Result<Option<u8>> {
    let mut status = 0;
    let flags = libc::WNOHANG | libc::WUNTRACED;
    // By hand: the wrapper refuses to tell of a death by a real-time signal.
    // SAFETY: `status` outlives the call.
    match unsafe { libc::waitpid(command.as_raw(), &raw mut status, flags) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ if libc::WIFSTOPPED(status) => Ok(kill(getpid(), Signal::SIGSTOP).map(|()| None)?),
        _ => Ok(exit_code(status)),
    }
}

/// 128 + n for a death by signal n.
fn exit_code(status: i32) -> Option<u8> {
    if libc::WIFSIGNALED(status) {
        return u8::try_from(128 + libc::WTERMSIG(status)).ok();
    }
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status).to_le_bytes()[0])
}
