//! Which system calls are refused, and on which arguments.

use std::ffi::{c_int, c_long};

/// `open_tree_attr(2)`, the same number on every architecture.
const SYS_OPEN_TREE_ATTR: c_long = 467;

/// Attempts on the enforcement or on other processes, whatever their arguments:
/// refused, and told to the daemon.
pub(super) const TAMPERING: &[(c_long, &str)] = &[
    // Programs, maps and links of the enforcement.
    (libc::SYS_bpf, "bpf"),
    // Other processes and what they hold.
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
    // Namespaces, mounts and roots.
    (libc::SYS_setns, "setns"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_move_mount, "move_mount"),
    (libc::SYS_fsmount, "fsmount"),
    (libc::SYS_mount_setattr, "mount_setattr"),
    // The kernel itself.
    (libc::SYS_kexec_load, "kexec_load"),
    (libc::SYS_kexec_file_load, "kexec_file_load"),
    (libc::SYS_init_module, "init_module"),
    (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_delete_module, "delete_module"),
    (libc::SYS_reboot, "reboot"),
];

/// Likewise, on some arguments only.
pub(super) const TAMPERING_AT_TIMES: &[(c_long, &str)] =
    &[(libc::SYS_ioctl, "ioctl"), (libc::SYS_prlimit64, "prlimit64")];

/// Sockets that no hook on the cgroup judges: refused, and told to the daemon.
pub(super) const SOCKETS: &[(c_long, &str)] =
    &[(libc::SYS_socket, "socket"), (libc::SYS_socketpair, "socketpair")];

/// Refused whatever their arguments, without a word, because libraries try them by
/// habit: each makes or takes something that no hook on the cgroup sees, or undoes a
/// part of the enforcement.
pub(super) const REFUSED: &[c_long] = &[
    // Makes sockets and connects them without a system call to look at.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_perf_event_open,
    libc::SYS_kcmp,
    // Mounts and roots.
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_chroot,
    // Keys: the kernel runs a program outside to find one.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Files past the paths that Landlock judges.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The kernel itself.
    libc::SYS_userfaultfd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lookup_dcookie,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Every flag that makes a namespace, in `clone(2)`.
pub(super) const NEW_NAMESPACE: [c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// In `unshare(2)` only; `clone(2)` has the exit signal in these bits.
pub(super) const NEW_TIME_NAMESPACE: c_int = 0x80;

/// Requests that type into the terminal of whoever started CMD
/// (`TIOCSTI`, `TIOCLINUX` of `asm-generic/ioctls.h`).
pub(super) const TYPING: [c_int; 2] = [0x5412, 0x541c];

/// Families with sockets that the cgroup's hooks judge.
pub(super) const FAMILIES: [c_int; 4] =
    [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Where the type stands among the flags (`SOCK_TYPE_MASK` of the kernel).
pub(super) const TYPE_MASK: c_int = 0xf;

/// Protocols of IPv4 and IPv6 sockets; the policy judges among them.
pub(super) const PROTOCOLS: [c_int; 5] =
    [0, libc::IPPROTO_ICMP, libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_ICMPV6];
