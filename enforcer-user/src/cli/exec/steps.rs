//! The child's steps from the launcher's state to CMD's. Only system calls on
//! data made before: another thread of the parent may have held any lock.

use std::ffi::{CStr, c_int, c_long, c_ulong};
use std::os::fd::RawFd;
use std::ptr;

use crate::cli::exec::identity::Identity;
use crate::cli::exec::report::{Broken, Stage};
use crate::cli::exec::seal::Seal;

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

/// Capabilities by number, as in `kernel_cap_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CapabilitySet(pub(super) u64);

// === impl CapabilitySet ===

impl CapabilitySet {
    fn has(self, number: c_long) -> bool {
        self.0 >> number & 1 == 1
    }

    /// Low and high word.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves, one after the other")]
    const fn words(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

/// Default action for every signal, none blocked: what the launcher blocks or
/// ignores is its own affair. By system call: the C library keeps signals 32
/// and 33 to itself, and a caller may have left them ignored.
pub(super) fn default_signals() -> Result<(), Broken> {
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

/// Makes places read-only, in mounts of its own. What is mounted outside later
/// comes in as well, and nothing goes out.
pub(super) fn seal(seal: &Seal) -> Result<(), Broken> {
    let flags = c_long::from(libc::CLONE_NEWNS);
    call(Stage::Seal, libc::SYS_unshare, [flags, 0, 0, 0])?;
    mount(None, c"/", None, libc::MS_REC | libc::MS_SLAVE)?;
    for place in &seal.places {
        mount(Some(place), place, None, libc::MS_REC | libc::MS_BIND)?;
        set_mount(place, libc::AT_RECURSIVE, [libc::MOUNT_ATTR_RDONLY, 0])?;
    }
    for folder in &seal.hidden {
        mount(Some(c"enforcer"), folder, Some(c"tmpfs"), libc::MS_RDONLY)?;
    }
    if let Some(own) = &seal.own {
        set_mount(own, 0, [0, libc::MOUNT_ATTR_RDONLY])?;
    }
    match &seal.folder {
        Some(folder) => call(Stage::Seal, libc::SYS_chdir, [address(folder.as_ptr()), 0, 0, 0]),
        None => Ok(()),
    }
}

fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: c_ulong,
) -> Result<(), Broken> {
    let [source, kind] = [source, kind].map(|text| text.map_or(0, |text| address(text.as_ptr())));
    let args = [source, address(target.as_ptr()), kind, flags.cast_signed()];
    call(Stage::Seal, libc::SYS_mount, args)
}

/// Sets and clears attributes of a mount (`mount_setattr(2)`, Linux 5.12).
fn set_mount(place: &CStr, flags: c_int, [set, clear]: [u64; 2]) -> Result<(), Broken> {
    // `struct mount_attr`: the last two are propagation and user namespace.
    let attributes: [u64; 4] = [set, clear, 0, 0];
    let (here, flags) = (c_long::from(libc::AT_FDCWD), c_long::from(flags));
    let size = size_of_val(&attributes);
    let (place, attributes) = (address(place.as_ptr()), address(attributes.as_ptr()));
    // SAFETY: a C string, and a local of the size given.
    match unsafe { libc::syscall(libc::SYS_mount_setattr, here, place, flags, attributes, size) } {
        -1 => Err(Broken { stage: Stage::Seal, errno: last_errno() }),
        _ => Ok(()),
    }
}

/// Takes everything else out of the bounding set.
pub(super) fn bound_capabilities(keep: CapabilitySet) -> Result<(), Broken> {
    for capability in (0..CAPABILITIES).filter(|number| !keep.has(*number)) {
        match prctl(Stage::BoundingSet, libc::PR_CAPBSET_DROP, capability) {
            // Past the last one this kernel knows.
            Err(Broken { errno: libc::EINVAL, .. }) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

/// A change from root to another user would take all of them away.
pub(super) fn keep_over_change_of_user(keep: CapabilitySet) -> Result<(), Broken> {
    let any = keep != CapabilitySet::default();
    prctl(Stage::Capabilities, libc::PR_SET_KEEPCAPS, any.into())
}

/// By system call: the C library's functions would tell all threads.
pub(super) fn change_identity(identity: &Identity) -> Result<(), Broken> {
    let Identity { uid, gid, groups, .. } = identity;
    let (uid, gid) = (c_long::from(*uid), c_long::from(*gid));
    let groups = [groups.len() as c_long, address(groups.as_ptr()), 0, 0];
    call(Stage::Groups, libc::SYS_setgroups, groups)?;
    call(Stage::Gid, libc::SYS_setresgid, [gid, gid, gid, 0])?;
    call(Stage::Uid, libc::SYS_setresuid, [uid, uid, uid, 0])
}

/// Effective, permitted, inheritable and ambient: these and no others. Ambient,
/// so that they survive `execve` whoever CMD's user is.
pub(super) fn set_capabilities(keep: CapabilitySet) -> Result<(), Broken> {
    let [low, high] = keep.words();
    // `struct __user_cap_header_struct` and two `__user_cap_data_struct`s.
    let header: [u32; 2] = [LINUX_CAPABILITY_VERSION_3, 0];
    let data: [u32; 6] = [low, low, low, high, high, high];
    let args = [address(header.as_ptr()), address(data.as_ptr()), 0, 0];
    call(Stage::Capabilities, libc::SYS_capset, args)?;
    prctl(Stage::AmbientSet, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_long)?;
    for capability in (0..CAPABILITIES).filter(|number| keep.has(*number)) {
        let [option, raise] = [libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE].map(c_long::from);
        call(Stage::AmbientSet, libc::SYS_prctl, [option, raise, capability, 0])?;
    }
    Ok(())
}

pub(super) fn no_new_privileges() -> Result<(), Broken> {
    prctl(Stage::NoNewPrivileges, libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// After the change of user, which clears the signal.
pub(super) fn die_with(parent: libc::pid_t) -> Result<(), Broken> {
    prctl(Stage::ParentDeath, libc::PR_SET_PDEATHSIG, c_long::from(libc::SIGKILL))?;
    // SAFETY: cannot fail, touches no memory.
    match unsafe { libc::getppid() } {
        still if still == parent => Ok(()),
        // It died before the signal was armed.
        _ => Err(Broken { stage: Stage::ParentDeath, errno: libc::ESRCH }),
    }
}

/// Not closed at once, so that a failing `execve` can still be reported; the
/// kernel closes them before CMD's first instruction.
pub(super) fn close_on_exec() -> Result<(), Broken> {
    let flags = libc::CLOSE_RANGE_CLOEXEC as c_long;
    let args = [FIRST_PRIVATE_FD, c_long::from(u32::MAX), flags, 0];
    call(Stage::Descriptors, libc::SYS_close_range, args)
}

pub(super) fn enter_domain(ruleset: RawFd) -> Result<(), Broken> {
    call(Stage::Landlock, libc::SYS_landlock_restrict_self, [c_long::from(ruleset), 0, 0, 0])
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

fn address<T>(pointer: *const T) -> c_long {
    pointer.expose_provenance() as c_long
}

pub(super) fn last_errno() -> c_int {
    // SAFETY: the C library's pointer to this thread's errno is always valid.
    unsafe { ptr::read(libc::__errno_location()) }
}
