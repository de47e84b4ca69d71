//! The child's last step: the filters, and a listener for the launcher. Only
//! system calls on data made before.

use std::ffi::{c_long, c_ulong};
use std::os::fd::RawFd;

use crate::cli::exec::filter::Filter;
use crate::cli::exec::report::{Broken, Stage};
use crate::cli::exec::steps::last_errno;

/// Last before `execve`: whatever comes after it is filtered. The listener's
/// number, which the launcher is to take; `None` where another listens already.
pub(super) fn install(filter: &Filter) -> Result<Option<RawFd>, Broken> {
    set_filter(&filter.quiet(), 0)?;
    match set_filter(&filter.told(), libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) {
        Ok(listener) => Ok(RawFd::try_from(listener).ok()),
        Err(Broken { errno: libc::EBUSY, .. }) => {
            set_filter(&filter.untold(), 0)?;
            Ok(None)
        }
        Err(broken) => Err(broken),
    }
}

/// As [`install`], with nobody who listens.
#[cfg(test)]
pub(super) fn install_untold(filter: &Filter) -> Result<(), Broken> {
    set_filter(&filter.quiet(), 0)?;
    set_filter(&filter.untold(), 0).map(drop)
}

fn set_filter(program: &libc::sock_fprog, flags: c_ulong) -> Result<c_long, Broken> {
    let mode = c_long::from(libc::SECCOMP_SET_MODE_FILTER);
    let program: *const libc::sock_fprog = program;
    // SAFETY: the filter and its instructions outlive the call.
    match unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, program) } {
        -1 => Err(Broken { stage: Stage::Seccomp, errno: last_errno() }),
        answer => Ok(answer),
    }
}

/// Says the listener's number (-1 for none) and waits until the launcher has it:
/// `execve` closes it here.
pub(super) fn hand_over(listener: Option<RawFd>, [tell, wait]: [RawFd; 2]) {
    let number = listener.unwrap_or(-1).to_ne_bytes();
    let mut answer = [0_u8; 1];
    // SAFETY: locals of the lengths given. What fails is the launcher's end, and
    // with it this process's.
    unsafe {
        libc::write(tell, number.as_ptr().cast(), number.len());
        libc::read(wait, answer.as_mut_ptr().cast(), answer.len());
    }
}
