//! The system call filters. What gets past the cgroup's hooks is refused with
//! `EPERM`, as a hook would refuse it.

use std::collections::BTreeMap;
use std::ffi::c_int;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

use crate::cli::exec::syscalls::{
    FAMILIES, NEW_NAMESPACE, NEW_TIME_NAMESPACE, PROTOCOLS, REFUSED, TAMPERING, TYPE_MASK, TYPING,
};

/// Set in the number of a system call of the x32 ABI (`asm/unistd.h`).
#[cfg(target_arch = "x86_64")]
const X32_SYSCALL_BIT: u32 = 0x4000_0000;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
/// An argument by its place, and what it is compared with.
type Test = (u8, SeccompCmpOp, u64);
type Result<T> = std::result::Result<T, BackendError>;

/// The filters, ready to be installed.
#[derive(Debug)]
pub(super) struct Filter {
    /// Refuses without a word.
    quiet: BpfProgram,
    /// Leaves refusing to a listener, which tells the daemon.
    told: BpfProgram,
    /// Refuses the same where there can be no listener.
    untold: BpfProgram,
}

// === impl Filter ===

impl Filter {
    /// The filters for this architecture; any other one kills.
    ///
    /// # Errors
    /// This architecture has none.
    pub(super) fn new() -> Result<Self> {
        let mut quiet = prologue();
        quiet.extend(refusing(quiet_rules()?)?);
        let untold = refusing(told_rules()?)?;
        Ok(Self { quiet, told: untold.iter().map(left_to_a_listener).collect(), untold })
    }

    /// The first to install; as `seccomp(2)` takes it, pointing into this.
    pub(super) fn quiet(&self) -> libc::sock_fprog {
        program(&self.quiet)
    }

    /// For `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
    pub(super) fn told(&self) -> libc::sock_fprog {
        program(&self.told)
    }

    /// In the place of [`Filter::told`].
    pub(super) fn untold(&self) -> libc::sock_fprog {
        program(&self.untold)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 4096 instructions: checked")]
fn program(filter: &BpfProgram) -> libc::sock_fprog {
    libc::sock_fprog {
        len: filter.len() as u16,
        // The same `struct sock_filter` of linux/filter.h; only read.
        filter: filter.as_ptr().cast_mut().cast(),
    }
}

fn refusing(rules: Rules) -> Result<BpfProgram> {
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        refuse,
        std::env::consts::ARCH.try_into()?,
    )?;
    BpfProgram::try_from(filter)
}

/// The library knows no listeners.
fn left_to_a_listener(instruction: &sock_filter) -> sock_filter {
    let refuses = u32::from(instruction.code) == libc::BPF_RET | libc::BPF_K
        && instruction.k == libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let k = if refuses { libc::SECCOMP_RET_USER_NOTIF } else { instruction.k };
    sock_filter { k, ..instruction.clone() }
}

/// What the library cannot say: `clone3` has its flags behind a pointer, and
/// without it the C library falls back to `clone`; x32 calls have another number.
#[expect(clippy::cast_possible_truncation, reason = "codes have 16 bits, call numbers 32")]
fn prologue() -> BpfProgram {
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let skip_unless = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 1, k };
    let errno = |errno: c_int| libc::SECCOMP_RET_ERRNO | errno as u32;
    // `seccomp_data.nr` is at offset 0.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    #[cfg(target_arch = "x86_64")]
    program.extend([
        skip_unless(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, X32_SYSCALL_BIT),
        statement(libc::BPF_RET | libc::BPF_K, errno(libc::EPERM)),
    ]);
    program.extend([
        skip_unless(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_clone3 as u32),
        statement(libc::BPF_RET | libc::BPF_K, errno(libc::ENOSYS)),
    ]);
    program
}

/// Rules of a call are alternatives; one that holds refuses it.
fn quiet_rules() -> Result<Rules> {
    let mut rules: Rules = REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    let spawning = NEW_NAMESPACE.map(|flag| vec![has(0, flag)]);
    let unsharing = spawning.iter().cloned().chain([vec![has(0, NEW_TIME_NAMESPACE)]]);
    rules.insert(libc::SYS_unshare, any_of(unsharing)?);
    rules.insert(libc::SYS_clone, any_of(spawning)?);
    Ok(rules)
}

fn told_rules() -> Result<Rules> {
    let mut rules: Rules = TAMPERING.iter().map(|(number, _)| (*number, Vec::new())).collect();
    rules.insert(libc::SYS_ioctl, any_of(TYPING.map(|request| vec![is(1, request)]))?);
    // Limits of other processes: one of zero seconds ends a daemon.
    rules.insert(libc::SYS_prlimit64, any_of([vec![is_not(0, 0)]])?);
    rules.insert(libc::SYS_socketpair, any_of([vec![is_not(0, libc::AF_UNIX)]])?);
    rules.insert(libc::SYS_socket, any_of(sockets())?);
    Ok(rules)
}

/// `socket(family, type, protocol)`, as what is refused: families that the
/// hooks do not see, and types and protocols of the others that they do not
/// judge. By number: the legacy `SOCK_PACKET` is a type of `AF_INET`.
fn sockets() -> Vec<Vec<Test>> {
    let mut refused = vec![FAMILIES.map(|family| is_not(0, family)).to_vec()];
    for family in [libc::AF_INET, libc::AF_INET6] {
        refused.extend(types_but(family, &[libc::SOCK_STREAM, libc::SOCK_DGRAM]));
        let protocols = PROTOCOLS.map(|protocol| is_not(2, protocol));
        refused.push([is(0, family)].into_iter().chain(protocols).collect());
    }
    let local = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET];
    refused.extend(types_but(libc::AF_UNIX, &local));
    refused.push(vec![is(0, libc::AF_NETLINK), is_not(2, libc::NETLINK_ROUTE)]);
    refused
}

fn types_but(family: c_int, allowed: &[c_int]) -> Vec<Vec<Test>> {
    let others = (0..=TYPE_MASK).filter(|number| !allowed.contains(number));
    let of_type = |number| (1, SeccompCmpOp::MaskedEq(TYPE_MASK as u64), number as u64);
    others.map(|number| vec![is(0, family), of_type(number)]).collect()
}

fn is(argument: u8, value: c_int) -> Test {
    (argument, SeccompCmpOp::Eq, value as u64)
}

fn is_not(argument: u8, value: c_int) -> Test {
    (argument, SeccompCmpOp::Ne, value as u64)
}

/// One flag among others.
fn has(argument: u8, flag: c_int) -> Test {
    (argument, SeccompCmpOp::MaskedEq(flag as u64), flag as u64)
}

fn any_of(alternatives: impl IntoIterator<Item = Vec<Test>>) -> Result<Vec<SeccompRule>> {
    alternatives.into_iter().map(all_of).collect()
}

/// On 32 bits: the kernel ignores the upper half of every argument used here.
fn all_of(tests: Vec<Test>) -> Result<SeccompRule> {
    let condition = |(argument, operator, value)| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    SeccompRule::new(tests.into_iter().map(condition).collect::<Result<_>>()?)
}
