//! Sockets of families that no packet hook sees, and sockets that were made
//! outside the caller's agent: a socket keeps its maker's cgroup for good, and
//! with it its maker's policy.

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{Field, Hook, Reason, is_permitted_family};

use super::caller::{is_agent, refuse};
use super::peer::is_own;
use super::unix;
use crate::fields::Object;

/// Of `include/linux/socket.h`.
const AF_UNIX: u16 = 1;
const AF_NETLINK: u16 = 16;
/// `S_IFMT` and `S_IFSOCK` of `include/uapi/linux/stat.h`.
const TYPE_MASK: u16 = 0o170_000;
const SOCKET: u16 = 0o140_000;

/// `socket(2)` and `socketpair(2)` of every family. The kernel's own sockets
/// pass: subflows and the like, whose packets are judged.
#[lsm(hook = "socket_create")]
pub(crate) fn lsm_socket(ctx: LsmContext) -> i32 {
    let (family, kind, protocol): (u32, u32, u32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    let by_kernel: u32 = ctx.arg(3);
    if by_kernel != 0 || is_permitted_family(family, kind, protocol) || !is_agent() {
        return 0;
    }
    refuse(Hook::SocketCreate, Reason::SocketType)
}

/// `connect(2)` on a socket that was handed in.
#[lsm(hook = "socket_connect")]
pub(crate) fn lsm_connect(ctx: LsmContext) -> i32 {
    if !is_agent() || !is_foreign(inner(ctx.arg(0))) {
        return 0;
    }
    refuse(Hook::SocketConnect, Reason::ForeignSocket)
}

/// An option of a socket that was handed in: the program on the cgroup judges
/// those of the agent's own.
#[lsm(hook = "socket_setsockopt")]
pub(crate) fn lsm_option(ctx: LsmContext) -> i32 {
    if !is_agent() || !is_foreign(inner(ctx.arg(0))) {
        return 0;
    }
    refuse(Hook::Setsockopt, Reason::ForeignSocket)
}

/// Every send, by whatever system call.
#[lsm(hook = "socket_sendmsg")]
pub(crate) fn lsm_sendmsg(ctx: LsmContext) -> i32 {
    if !is_agent() {
        return 0;
    }
    match objection(inner(ctx.arg(0))) {
        Some(reason) => refuse(Hook::SocketSendmsg, reason),
        None => 0,
    }
}

/// `accept(2)` on a listener that was handed in.
#[lsm(hook = "socket_accept")]
pub(crate) fn lsm_accept(ctx: LsmContext) -> i32 {
    if !is_agent() || !is_foreign(inner(ctx.arg(0))) {
        return 0;
    }
    refuse(Hook::SocketAccept, Reason::ForeignSocket)
}

/// A descriptor that came over a Unix socket, or by `pidfd_getfd(2)`.
#[lsm(hook = "file_receive")]
pub(crate) fn lsm_receive(ctx: LsmContext) -> i32 {
    if !is_agent() {
        return 0;
    }
    match objection_to_file(Object::at(ctx.arg(0))) {
        Some(reason) => refuse(Hook::FileReceive, reason),
        None => 0,
    }
}

/// What is wrong with sending on a file, if it is a socket.
#[inline(always)]
pub(super) fn objection_to_file(file: Object) -> Option<Reason> {
    let mode = file.follow(Field::FileInode).read::<u16>(Field::InodeMode)?;
    if mode & TYPE_MASK != SOCKET {
        return None;
    }
    objection(file.follow(Field::FilePrivate).follow(Field::SocketSock))
}

/// What is wrong with sending on a socket.
#[inline(always)]
fn objection(sk: Object) -> Option<Reason> {
    if sk.read::<u16>(Field::SockFamily) == Some(AF_UNIX) {
        return unix::is_deputy(sk).then_some(Reason::UnixPeer);
    }
    is_foreign(sk).then_some(Reason::ForeignSocket)
}

/// Made outside the caller's agent, and of a family whose packets leave.
#[inline(always)]
fn is_foreign(sk: Object) -> bool {
    match sk.read::<u16>(Field::SockFamily) {
        Some(AF_UNIX | AF_NETLINK) => false,
        _ => !is_own(sk.follow(Field::SockCgroup)),
    }
}

#[inline(always)]
fn inner(socket: *const u8) -> Object {
    Object::at(socket).follow(Field::SocketSock)
}
