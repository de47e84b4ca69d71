//! The launcher's end of the filter: answers each call that is refused in its
//! hearing (seccomp_unotify(2)).

use std::io::{self, PipeReader, Read};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Hears of calls. When it is closed they are refused with `ENOSYS`.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    id: u64,
    /// Its thread, in the launcher's PID namespace; 0 outside it.
    pub(super) thread: u32,
    /// Its number.
    pub(super) number: i64,
}

// === impl Listener ===

impl Listener {
    /// Takes the listener from the child, which says its number and waits.
    pub(super) fn take(mut number: PipeReader, child: &OwnedFd) -> io::Result<Self> {
        let mut bytes = [0; size_of::<RawFd>()];
        number.read_exact(&mut bytes)?;
        match RawFd::from_ne_bytes(bytes) {
            -1 => Err(io::Error::other("another process listens for its calls")),
            number => taken(child, number).map(Self),
        }
    }

    /// The next call; `None` once nobody can make one any more.
    pub(super) fn next(&self) -> io::Result<Option<Call>> {
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::NONE)?;
            let seen = fds[0].revents().unwrap_or(PollFlags::empty());
            if !seen.contains(PollFlags::POLLIN) {
                return Ok(None);
            }
            match self.receive() {
                // Whoever made it has died, or has been interrupted.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                call => return call.map(Some),
            }
        }
    }

    fn receive(&self) -> io::Result<Call> {
        // SAFETY: integers only; the kernel wants it zeroed.
        let mut notice: libc::seccomp_notif = unsafe { mem::zeroed() };
        self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, &mut notice)?;
        let (id, thread, number) = (notice.id, notice.pid, i64::from(notice.data.nr));
        Ok(Call { id, thread, number })
    }

    /// Refuses it with `EPERM`. Nothing is done about a caller that has gone.
    pub(super) fn refuse(&self, call: Call) {
        let mut answer =
            libc::seccomp_notif_resp { id: call.id, val: 0, error: -libc::EPERM, flags: 0 };
        drop(self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, &mut answer));
    }

    fn control<T>(&self, request: libc::Ioctl, argument: &mut T) -> io::Result<()> {
        // SAFETY: the callers pair each request with the structure that the
        // kernel reads or fills for it (`linux/seccomp.h`).
        match unsafe { libc::ioctl(self.0.as_raw_fd(), request, std::ptr::from_mut(argument)) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

fn taken(child: &OwnedFd, number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: descriptors only.
    let taken = unsafe { libc::syscall(libc::SYS_pidfd_getfd, child.as_raw_fd(), number, 0) };
    match RawFd::try_from(taken) {
        // SAFETY: the kernel has just given us this descriptor.
        Ok(taken) if taken >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(taken) }),
        _ => Err(io::Error::last_os_error()),
    }
}
