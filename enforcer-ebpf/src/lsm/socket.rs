//! Sockets: of families that no packet hook sees, made outside the caller's
//! agent, or connected to a deputy there.

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{Hook, Reason, is_permitted_family};

use super::caller::{is_agent, refuse};

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
