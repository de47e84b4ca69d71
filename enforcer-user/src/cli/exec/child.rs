//! What the child does between `clone3` and `execve`. Only system calls on
//! data made before: another thread of the parent may have held any lock.

use std::convert::Infallible;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::cli::exec::filter::Filter;
use crate::cli::exec::identity::Identity;
use crate::cli::exec::image::Image;
use crate::cli::exec::install;
use crate::cli::exec::report::{Broken, Stage};
use crate::cli::exec::steps::{self, CapabilitySet};

/// Everything the child needs.
pub(super) struct Child {
    /// CMD.
    pub(super) image: Image,
    /// What it becomes and what is taken from it.
    pub(super) confinement: Confinement,
    /// Whether the bounding set can be changed (the caller has `CAP_SETPCAP`).
    pub(super) can_bound: bool,
    /// The launcher.
    pub(super) parent: libc::pid_t,
    /// Where a failure is reported; closed by a successful `execve`.
    pub(super) report: RawFd,
    /// Where the listener's number is told, and where a byte comes when the launcher has it.
    pub(super) hand_over: [RawFd; 2],
}

/// What a process under `exec` is and may.
pub(super) struct Confinement {
    /// Whom to become; `None` stays the caller.
    pub(super) identity: Option<Identity>,
    /// Capabilities that the policy grants.
    pub(super) keep: CapabilitySet,
    /// Landlock rules; `None` where this kernel has no Landlock.
    pub(super) ruleset: Option<OwnedFd>,
    /// System calls that are refused, some of them in the launcher's hearing.
    pub(super) filter: Filter,
}

// === impl Child ===

impl Child {
    /// Becomes CMD, or reports why not and exits.
    pub(super) fn run(&self) -> ! {
        let Err(broken) = self.become_command();
        let report = broken.to_bytes();
        // SAFETY: `report` is a local array of the length given; both calls
        // are async-signal-safe, and `_exit` runs no handler of the parent.
        unsafe {
            libc::write(self.report, report.as_ptr().cast(), report.len());
            libc::_exit(126)
        }
    }

    /// The bounding set goes while there is `CAP_SETPCAP`, ids while there is
    /// `CAP_SETUID`; the death signal comes after them because a change of
    /// uid clears it. Landlock and the filter come last: they bind the rest.
    fn become_command(&self) -> Result<Infallible, Broken> {
        let Confinement { identity, keep, ruleset, filter } = &self.confinement;
        steps::default_signals()?;
        if self.can_bound {
            steps::bound_capabilities(*keep)?;
        }
        if let Some(identity) = identity {
            steps::keep_over_change_of_user(*keep)?;
            steps::change_identity(identity)?;
        }
        steps::set_capabilities(*keep)?;
        steps::no_new_privileges()?;
        steps::die_with(self.parent)?;
        steps::close_on_exec()?;
        if let Some(ruleset) = ruleset {
            steps::enter_domain(ruleset.as_raw_fd())?;
        }
        install::hand_over(install::install(filter)?, self.hand_over);
        self.exec()
    }

    /// As `execvp(3)`: a candidate that may not be executed is remembered, not
    /// final. One in a folder that this user may not search is not there.
    fn exec(&self) -> Result<Infallible, Broken> {
        let mut errno = libc::ENOENT;
        for program in &self.image.programs {
            let (argv, envp) = (self.image.argv.table.as_ptr(), self.image.envp.table.as_ptr());
            // SAFETY: a C string and two null-terminated tables of C strings,
            // all owned by `self.image`.
            unsafe { libc::execve(program.as_ptr(), argv, envp) };
            match steps::last_errno() {
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES if self.image.programs.len() == 1 || exists(program) => {
                    errno = libc::EACCES;
                }
                libc::EACCES => {}
                other => return Err(Broken { stage: Stage::Exec, errno: other }),
            }
        }
        Err(Broken { stage: Stage::Exec, errno })
    }
}

fn exists(program: &CStr) -> bool {
    // SAFETY: a C string; asks the kernel and touches nothing else.
    unsafe { libc::access(program.as_ptr(), libc::F_OK) == 0 }
}
