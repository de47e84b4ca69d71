//! Each refused call is really refused: asked of the kernel, in a child that
//! has the filter on.

use std::ffi::{c_int, c_long};
use std::io::Read;
use std::os::fd::AsRawFd;

use super::filter::Filter;
use super::install::install_untold;
use super::steps;
use super::syscalls::{NEW_NAMESPACE, NEW_TIME_NAMESPACE, REFUSED, TAMPERING};

type Call = (c_long, [c_long; 3]);

/// What the calls come to under the filter, in order: an errno, 0 for success.
/// Only system calls after the fork; other tests run in other threads.
fn under_filter(calls: &[Call]) -> Vec<c_int> {
    let filter = Filter::new().expect("a filter");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    // SAFETY: the child makes system calls on data made before, and exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let ready = steps::no_new_privileges().and_then(|()| install_untold(&filter));
        for (number, [a, b, c]) in calls.iter().filter(|_| ready.is_ok()) {
            // SAFETY: refused, or harmless with the arguments that the tests
            // give: bad descriptors and null pointers.
            let answer = unsafe { libc::syscall(*number, *a, *b, *c, 0, 0, 0) };
            let errno: c_int = if answer == -1 { steps::last_errno() } else { 0 };
            let bytes = errno.to_ne_bytes();
            // SAFETY: four bytes of a local array.
            unsafe { libc::write(writer.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        }
        // SAFETY: runs no handler of the parent.
        unsafe { libc::_exit(0) };
    }
    drop(writer);
    let mut answers = Vec::new();
    reader.read_to_end(&mut answers).expect("answers");
    // SAFETY: waits for our own child, without a status.
    assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
    let (numbers, _) = answers.as_chunks();
    numbers.iter().copied().map(c_int::from_ne_bytes).collect()
}

fn assert_all(expected: c_int, calls: &[Call]) {
    let answers = under_filter(calls);
    assert_eq!(answers.len(), calls.len(), "the child died early: {answers:?}");
    for (call, answer) in calls.iter().zip(answers) {
        assert_eq!(answer, expected, "{call:?}");
    }
}

fn socket(family: c_int, kind: c_int, protocol: c_int) -> Call {
    (libc::SYS_socket, [family, kind, protocol].map(c_long::from))
}

#[test]
fn calls_on_the_list_are_refused_with_any_argument() {
    for arguments in [[0; 3], [-1; 3], [1, 2, 3]] {
        let all = REFUSED.iter().chain(TAMPERING.iter().map(|(number, _)| number));
        let calls: Vec<_> = all.map(|number| (*number, arguments)).collect();
        assert_all(libc::EPERM, &calls);
    }
}

#[test]
fn no_namespace_is_made_by_any_flag() {
    let flags = NEW_NAMESPACE.map(c_long::from);
    let mut calls: Vec<Call> = Vec::new();
    for flag in flags {
        calls.push((libc::SYS_unshare, [flag, 0, 0]));
        calls.push((libc::SYS_unshare, [flag | c_long::from(libc::CLONE_FILES), 0, 0]));
        calls.push((libc::SYS_clone, [flag | c_long::from(libc::SIGCHLD), 0, 0]));
    }
    calls.push((libc::SYS_unshare, [NEW_TIME_NAMESPACE.into(), 0, 0]));
    assert_all(libc::EPERM, &calls);
    assert_all(libc::ENOSYS, &[(libc::SYS_clone3, [0, 88, 0])]);
    assert_all(0, &[(libc::SYS_unshare, [libc::CLONE_FILES.into(), 0, 0])]);
}

#[test]
fn only_families_types_and_protocols_that_hooks_judge_make_sockets() {
    let odd_families = (0..64).filter(|family| {
        ![libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].contains(family)
    });
    let mut calls: Vec<Call> =
        odd_families.map(|family| socket(family, libc::SOCK_DGRAM, 0)).collect();
    // 10 is the legacy SOCK_PACKET.
    let odd_types = [0, libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_DCCP, 10, 15];
    for kind in odd_types {
        for flags in [0, libc::SOCK_CLOEXEC, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC] {
            let kind = kind | flags;
            calls
                .extend([libc::AF_INET, libc::AF_INET6, libc::AF_UNIX].map(|f| socket(f, kind, 0)));
        }
    }
    for family in [libc::AF_INET, libc::AF_INET6] {
        calls.push(socket(family, libc::SOCK_SEQPACKET, 0));
        // MPTCP, UDP-Lite, SCTP, SMC, GRE.
        calls.extend([262, 136, 132, 256, 47].map(|p| socket(family, libc::SOCK_STREAM, p)));
    }
    let netlink = (1..32).map(|protocol| socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol));
    calls.extend(netlink);
    calls.push((libc::SYS_socketpair, [libc::AF_INET.into(), libc::SOCK_STREAM.into(), 0]));
    calls.push((libc::SYS_socketpair, [30, libc::SOCK_STREAM.into(), 0])); // AF_TIPC
    assert_all(libc::EPERM, &calls);
}

#[test]
fn the_upper_half_of_an_argument_hides_nothing() {
    let high = 1_i64 << 32;
    let packet = c_long::from(libc::AF_PACKET);
    let calls = [
        (libc::SYS_socket, [packet | high, libc::SOCK_RAW.into(), 0]),
        (libc::SYS_socket, [libc::AF_INET.into(), c_long::from(libc::SOCK_RAW) | high, 0]),
        (libc::SYS_clone, [c_long::from(libc::CLONE_NEWUSER) | high, 0, 0]),
        (libc::SYS_ioctl, [0, libc::TIOCSTI as c_long | high, 0]),
        (libc::SYS_ioctl, [0, libc::TIOCLINUX as c_long, 0]),
    ];
    assert_all(libc::EPERM, &calls);
}

#[test]
fn limits_are_set_for_oneself_only() {
    let nofile = c_long::from(libc::RLIMIT_NOFILE);
    assert_all(libc::EPERM, &[(libc::SYS_prlimit64, [1, nofile, 0])]);
    assert_all(0, &[(libc::SYS_prlimit64, [0, nofile, 0])]);
}

#[test]
fn ordinary_sockets_are_made() {
    let mut calls = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            calls.push(socket(family, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0));
        }
        calls.push(socket(family, libc::SOCK_STREAM, libc::IPPROTO_TCP));
        calls.push(socket(family, libc::SOCK_DGRAM, libc::IPPROTO_UDP));
    }
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        calls.push(socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0));
    }
    calls.push(socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0));
    calls.push(socket(libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_ROUTE));
    assert_all(0, &calls);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_the_x32_abi_are_refused() {
    let x32 = 0x4000_0000;
    let calls = [libc::SYS_getpid, libc::SYS_socket, libc::SYS_bpf, libc::SYS_clone3];
    assert_all(libc::EPERM, &calls.map(|number| (number | x32, [0; 3])));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_call_of_the_32_bit_abi_kills() {
    let filter = Filter::new().expect("a filter");
    // SAFETY: the child makes system calls only, and exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let ready = steps::no_new_privileges().and_then(|()| install_untold(&filter));
        if ready.is_ok() {
            // SAFETY: `getpid` of the 32-bit table; clobbers only what is said.
            unsafe {
                std::arch::asm!("int 0x80", inout("eax") 20 => _, out("r8") _, out("r9") _, out("r10") _, out("r11") _)
            };
        }
        // SAFETY: runs no handler of the parent.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child; `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFSIGNALED(status), "{status:#x}");
    assert_eq!(libc::WTERMSIG(status), libc::SIGSYS);
}
