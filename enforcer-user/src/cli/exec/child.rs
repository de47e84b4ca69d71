//! What the child does between `clone3` and `execve`. Only system calls on
//! data made before: another thread of the parent may have held any lock.

use std::convert::Infallible;
use std::ffi::{CStr, c_int, c_long};
use std::os::fd::RawFd;
use std::ptr;

use crate::cli::exec::identity::Identity;
use crate::cli::exec::image::Image;

/// `linux/capability.h`.
const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
/// Capability numbers fit into 64 bits (`kernel_cap_t`).
const CAPABILITIES: c_long = 64;
/// `_NSIG` of the kernel.
const SIGNALS: c_int = 64;
/// Size of the kernel's `sigset_t`.
const SIGSET_BYTES: c_long = 8;
/// The first descriptor that CMD does not inherit.
const FIRST_PRIVATE_FD: c_long = 3;

/// Everything the child needs.
pub(super) struct Child {
    /// CMD.
    pub(super) image: Image,
    /// Whom to become; `None` stays the caller.
    pub(super) identity: Option<Identity>,
    /// Whether the bounding set can be emptied (the caller has `CAP_SETPCAP`).
    pub(super) empty_bounding_set: bool,
    /// The launcher.
    pub(super) parent: libc::pid_t,
    /// Where a failure is reported; closed by a successful `execve`.
    pub(super) report: RawFd,
}

/// What the child was about.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Signals = 1,
    BoundingSet = 2,
    AmbientSet = 3,
    Groups = 4,
    Gid = 5,
    Uid = 6,
    Capabilities = 7,
    NoNewPrivileges = 8,
    ParentDeath = 9,
    Descriptors = 10,
    Exec = 11,
}

/// A step that failed, and its errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) stage: Stage,
    pub(super) errno: c_int,
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
    /// uid clears it.
    fn become_command(&self) -> Result<Infallible, Broken> {
        default_signals()?;
        if self.empty_bounding_set {
            empty_bounding_set()?;
        }
        prctl(Stage::AmbientSet, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_long)?;
        if let Some(identity) = &self.identity {
            change_identity(identity)?;
        }
        drop_capabilities()?;
        prctl(Stage::NoNewPrivileges, libc::PR_SET_NO_NEW_PRIVS, 1)?;
        self.die_with_parent()?;
        close_on_exec()?;
        self.exec()
    }

    fn die_with_parent(&self) -> Result<(), Broken> {
        prctl(Stage::ParentDeath, libc::PR_SET_PDEATHSIG, c_long::from(libc::SIGKILL))?;
        // SAFETY: cannot fail, touches no memory.
        match unsafe { libc::getppid() } {
            parent if parent == self.parent => Ok(()),
            // It died before the signal was armed.
            _ => Err(Broken { stage: Stage::ParentDeath, errno: libc::ESRCH }),
        }
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
            match last_errno() {
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

// === impl Broken ===

impl Broken {
    /// Length of a report.
    pub(super) const BYTES: usize = 5;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.errno.to_ne_bytes();
        [self.stage as u8, a, b, c, d]
    }

    /// A report; `None` for bytes that are none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let &[stage, a, b, c, d] = bytes else { return None };
        let stage = Stage::ALL.into_iter().find(|known| *known as u8 == stage)?;
        Some(Self { stage, errno: c_int::from_ne_bytes([a, b, c, d]) })
    }
}

impl Stage {
    const ALL: [Self; 11] = [
        Self::Signals,
        Self::BoundingSet,
        Self::AmbientSet,
        Self::Groups,
        Self::Gid,
        Self::Uid,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::ParentDeath,
        Self::Descriptors,
        Self::Exec,
    ];
}

/// Default action for every signal, none blocked: what the launcher blocks or
/// ignores is its own affair. By system call: the C library keeps signals 32
/// and 33 to itself, and a caller may have left them ignored.
fn default_signals() -> Result<(), Broken> {
    // A zero `struct sigaction` of the kernel, at most four words: SIG_DFL.
    let default: [u64; 4] = [0; 4];
    for signal in (1..=SIGNALS).filter(|signal| !matches!(*signal, libc::SIGKILL | libc::SIGSTOP)) {
        let args = [c_long::from(signal), address(default.as_ptr()), 0, SIGSET_BYTES];
        call(Stage::Signals, libc::SYS_rt_sigaction, args)?;
    }
    let none: u64 = 0;
    let args = [c_long::from(libc::SIG_SETMASK), address(&raw const none), 0, SIGSET_BYTES];
    call(Stage::Signals, libc::SYS_rt_sigprocmask, args)
}

fn empty_bounding_set() -> Result<(), Broken> {
    for capability in 0..CAPABILITIES {
        match prctl(Stage::BoundingSet, libc::PR_CAPBSET_DROP, capability) {
            // Past the last one this kernel knows.
            Err(Broken { errno: libc::EINVAL, .. }) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

/// By system call: the C library's functions would tell all threads.
fn change_identity(identity: &Identity) -> Result<(), Broken> {
    let Identity { uid, gid, groups, .. } = identity;
    let (uid, gid) = (c_long::from(*uid), c_long::from(*gid));
    let groups = [groups.len() as c_long, address(groups.as_ptr()), 0, 0];
    call(Stage::Groups, libc::SYS_setgroups, groups)?;
    call(Stage::Gid, libc::SYS_setresgid, [gid, gid, gid, 0])?;
    call(Stage::Uid, libc::SYS_setresuid, [uid, uid, uid, 0])
}

fn drop_capabilities() -> Result<(), Broken> {
    // `struct __user_cap_header_struct` and two `__user_cap_data_struct`s.
    let header: [u32; 2] = [LINUX_CAPABILITY_VERSION_3, 0];
    let none: [u32; 6] = [0; 6];
    let args = [address(header.as_ptr()), address(none.as_ptr()), 0, 0];
    call(Stage::Capabilities, libc::SYS_capset, args)
}

/// Not closed at once, so that a failing `execve` can still be reported; the
/// kernel closes them before CMD's first instruction.
fn close_on_exec() -> Result<(), Broken> {
    let flags = libc::CLOSE_RANGE_CLOEXEC as c_long;
    let args = [FIRST_PRIVATE_FD, c_long::from(u32::MAX), flags, 0];
    call(Stage::Descriptors, libc::SYS_close_range, args)
}

fn prctl(stage: Stage, option: c_int, value: c_long) -> Result<(), Broken> {
    call(stage, libc::SYS_prctl, [c_long::from(option), value, 0, 0])
}

fn call(stage: Stage, number: c_long, [a, b, c, d]: [c_long; 4]) -> Result<(), Broken> {
    // SAFETY: the callers above pass numbers, or addresses of locals and of
    // `Child`'s data that outlive the call; the fifth argument is zero, as
    // `prctl` demands of those unused.
    match unsafe { libc::syscall(number, a, b, c, d, 0 as c_long) } {
        -1 => Err(Broken { stage, errno: last_errno() }),
        _ => Ok(()),
    }
}

fn exists(program: &CStr) -> bool {
    // SAFETY: a C string; asks the kernel and touches nothing else.
    unsafe { libc::access(program.as_ptr(), libc::F_OK) == 0 }
}

fn address<T>(pointer: *const T) -> c_long {
    pointer.expose_provenance() as c_long
}

fn last_errno() -> c_int {
    // SAFETY: the C library's pointer to this thread's errno is always valid.
    unsafe { ptr::read(libc::__errno_location()) }
}
