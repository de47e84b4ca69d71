//! Which programs there are beside those on cgroups, and what each needs of
//! this kernel.

use enforcer_common::Field::{self, *};

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To a hook of the Linux security modules: it can refuse.
    Hook,
    /// To a tracepoint: it can only watch, and kill.
    Tracepoint,
}

/// A program and the place in the kernel that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) program: &'static str,
    pub(crate) kind: Kind,
    /// The hook's or tracepoint's name.
    pub(crate) name: &'static str,
    /// What it reads of the kernel's structs.
    pub(crate) needs: &'static [&'static [Field]],
}

/// What every program reads: the process of a thread.
pub(super) const BASE: [Field; 1] = [TaskLeader];
/// To tell whose a cgroup is.
const OWNER: [Field; 6] =
    [TaskCgroups, CssSetCgroup, CgroupNode, CgroupLevel, CgroupAncestors, NodeId];
/// To tell whose a socket is, from its `struct sock`.
const SOCK: [Field; 2] = [SockCgroup, SockFamily];
/// To tell whether a Unix socket is named by the policy.
const NAME: [Field; 3] = [UnixAddress, UnixAddressLen, UnixAddressName];
/// To tell which kind of file system an inode is on.
const KIND: [Field; 2] = [InodeSuper, SuperMagic];
/// To tell whether a privilege is there to be used.
const GRANT: [Field; 3] = [CredSpace, CredEffective, SpaceLevel];
/// To get at the socket of a file.
const FILE: [Field; 4] = [FileInode, InodeMode, FilePrivate, SocketSock];
/// To tell whose a file of procfs is.
const PROC: [Field; 6] = [InodeMode, ProcInode, ProcPid, ProcSettings, PidTasks, TaskPidLinks];
/// To tell a file from all others.
const OWN: [Field; 4] = [DentryInode, InodeSuper, InodeNumber, SuperDevice];
/// To tell by which number a process knows itself.
const NUMBER: [Field; 3] = [TaskPid, PidLevel, PidNumbers];

/// All of them.
pub(crate) const PLACES: [Place; 30] = [
    lsm("lsm_bpf", "bpf", &[]),
    lsm("lsm_socket", "socket_create", &[]),
    lsm("lsm_connect", "socket_connect", &[&OWNER, &SOCK, &[SocketSock]]),
    lsm("lsm_option", "socket_setsockopt", &[&OWNER, &SOCK, &[SocketSock]]),
    lsm("lsm_sendmsg", "socket_sendmsg", &[&OWNER, &SOCK, &NAME, &[SocketSock, UnixPeer]]),
    lsm("lsm_accept", "socket_accept", &[&OWNER, &SOCK, &[SocketSock]]),
    lsm("lsm_receive", "file_receive", &[&OWNER, &SOCK, &NAME, &FILE, &[UnixPeer]]),
    lsm("lsm_unix_stream", "unix_stream_connect", &[&OWNER, &SOCK, &NAME]),
    lsm("lsm_unix_dgram", "unix_may_send", &[&OWNER, &SOCK, &NAME, &[SocketSock]]),
    lsm("lsm_ptrace", "ptrace_access_check", &[&OWNER]),
    lsm("lsm_kill", "task_kill", &[&OWNER]),
    lsm("lsm_limit", "task_setrlimit", &[&OWNER]),
    lsm("lsm_nice", "task_setnice", &[&OWNER]),
    lsm("lsm_scheduler", "task_setscheduler", &[&OWNER]),
    lsm("lsm_ioprio", "task_setioprio", &[&OWNER]),
    lsm("lsm_fcntl", "file_fcntl", &[&NUMBER]),
    lsm("lsm_ioctl", "file_ioctl", &[]),
    lsm("lsm_ioctl_compat", "file_ioctl_compat", &[]),
    lsm("lsm_capable", "capable", &[&GRANT]),
    lsm("lsm_userns", "userns_create", &[]),
    lsm("lsm_inode", "inode_permission", &[&OWNER, &KIND, &PROC, &OWN]),
    lsm("lsm_file", "file_permission", &[&OWNER, &SOCK, &NAME, &FILE, &KIND, &PROC, &[UnixPeer]]),
    lsm("lsm_unlink", "inode_unlink", &[&KIND, &OWN]),
    lsm("lsm_rename", "inode_rename", &[&KIND, &OWN]),
    lsm("lsm_mount", "sb_mount", &[]),
    lsm("lsm_move_mount", "move_mount", &[]),
    lsm("lsm_umount", "sb_umount", &[]),
    lsm("lsm_key", "key_alloc", &[&[KeyType, KeyTypeName]]),
    watch("watch_attach", "cgroup_attach_task"),
    watch("watch_newtask", "task_newtask"),
];

const fn lsm(
    program: &'static str,
    name: &'static str,
    needs: &'static [&'static [Field]],
) -> Place {
    Place { program, kind: Kind::Hook, name, needs }
}

const fn watch(program: &'static str, name: &'static str) -> Place {
    Place { program, kind: Kind::Tracepoint, name, needs: &[&OWNER, &[TaskGroup]] }
}
