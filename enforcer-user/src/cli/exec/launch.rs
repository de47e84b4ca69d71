//! Starts CMD inside a cgroup: it is there before its first instruction, and
//! the launcher never is.

use std::ffi::NulError;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::cli::exec::child::{Child, Confinement};
use crate::cli::exec::image::Image;
use crate::cli::exec::listener::Listener;
use crate::cli::exec::report::{Broken, Stage};

/// `linux/sched.h`; libc's constant is 32 bits wide and so is zero.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Why CMD does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    #[error("a word of CMD or of its environment has a NUL byte in it")]
    Nul(#[from] NulError),
    #[error("open cgroup {}: {source}", cgroup.display())]
    Cgroup { cgroup: PathBuf, source: io::Error },
    #[error("start a process in cgroup {}: {source}", cgroup.display())]
    Clone { cgroup: PathBuf, source: io::Error },
    #[error("{act}: {source}")]
    System { act: &'static str, source: io::Error },
    #[error("{}: {source}", stage.act())]
    Child { stage: Stage, source: io::Error },
}

/// A running CMD.
#[derive(Debug)]
pub(super) struct Launched {
    /// Its process.
    pub(super) pid: Pid,
    /// Readable once it has ended.
    pub(super) pidfd: OwnedFd,
}

/// Starts CMD and returns once `execve` has succeeded; with what hears of the calls
/// that it is refused, or why there is nothing that does.
///
/// # Errors
/// CMD does not run, and nothing of it is left.
pub(super) fn launch(
    cgroup: &Path,
    image: Image,
    confinement: Confinement,
) -> Result<(Launched, io::Result<Listener>), LaunchError> {
    let directory = File::open(cgroup)
        .map_err(|source| LaunchError::Cgroup { cgroup: cgroup.to_owned(), source })?;
    let (reader, writer) = pipe()?;
    let ((number, tell), (wait, mut go)) = (pipe()?, pipe()?);
    let child = Child {
        image,
        confinement,
        can_bound: can_bound_capabilities()?,
        parent: nix::unistd::getpid().as_raw(),
        report: writer.as_raw_fd(),
        hand_over: [tell.as_raw_fd(), wait.as_raw_fd()],
    };
    let launched = clone_into(directory.as_raw_fd(), &child)
        .map_err(|source| LaunchError::Clone { cgroup: cgroup.to_owned(), source })?;
    drop((writer, tell, wait));
    let listener = Listener::take(number, &launched.pidfd);
    // The child has this end as well, so closing it would not be seen. A child that
    // has died needs no word.
    drop(go.write_all(&[0]));
    match read_report(reader)? {
        None => Ok((launched, listener)),
        Some(Broken { stage, errno }) => {
            reap(&launched)?;
            Err(LaunchError::Child { stage, source: io::Error::from_raw_os_error(errno) })
        }
    }
}

/// Both ends close on exec, as the standard library has it.
fn pipe() -> Result<(PipeReader, PipeWriter), LaunchError> {
    io::pipe().map_err(|source| LaunchError::System { act: "make a pipe", source })
}

fn can_bound_capabilities() -> Result<bool, LaunchError> {
    caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_SETPCAP).map_err(|error| {
        let source = io::Error::other(error.to_string());
        LaunchError::System { act: "read own capabilities", source }
    })
}

/// `CLONE_INTO_CGROUP` is since Linux 5.7: no moment outside the cgroup, and
/// an error comes back here, before there is a process.
fn clone_into(cgroup: RawFd, child: &Child) -> io::Result<Launched> {
    let mut pidfd: RawFd = -1;
    // SAFETY: integers only; all zero is "none of it".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = cgroup as u64;
    // SAFETY: `args` and the place for the descriptor outlive the call. No
    // memory is shared, so the child runs on its own copy of this stack, and
    // `Child::run` makes only system calls and never returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    match libc::pid_t::try_from(pid) {
        Ok(0) => child.run(),
        Ok(pid) if pid > 0 => {
            // SAFETY: the kernel has just given us this descriptor.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Launched { pid: Pid::from_raw(pid), pidfd })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// `None` when the pipe closed without a word: CMD runs.
fn read_report(mut reader: PipeReader) -> Result<Option<Broken>, LaunchError> {
    let mut report = Vec::with_capacity(Broken::BYTES);
    reader
        .read_to_end(&mut report)
        .map_err(|source| LaunchError::System { act: "hear from the new process", source })?;
    Ok(Broken::from_bytes(&report))
}

fn reap(launched: &Launched) -> Result<(), LaunchError> {
    nix::sys::wait::waitpid(launched.pid, None).map(drop).map_err(|errno| LaunchError::System {
        act: "wait for the new process",
        source: errno.into(),
    })
}
