//! The programs. Each is a few lines; the decision is `enforcer_common`'s.
//! Names are at most 15 bytes, the kernel's limit, so `bpftool` shows them whole.

use core::ffi::c_void;
use core::ptr::{self, addr_of, read_volatile};

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{
    bpf_get_socket_cookie, bpf_sk_fullsock, bpf_skb_ancestor_cgroup_id,
};
use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext, SockContext};
use aya_log_ebpf::error;
use enforcer_common::{
    Decision, Flow, Hook, Protocol, Reason, Socket, Verdict, bare_reset, continues_tcp, decide,
    decide_arrival, decide_socket, parse_answer_into, parse_into,
};

use crate::due::{coarse, due};
use crate::flow::{Skb, of_call_v4, of_call_v6};
use crate::guard::{account, current};
use crate::identity;
use crate::report;
use crate::shortcut;
use crate::tables::KernelTables;

/// Every packet that leaves a socket made below the enforced root.
#[cgroup_skb(egress)]
pub(crate) fn egress_skb(ctx: SkBuffContext) -> i32 {
    judge_packet(&ctx).cgroup_return()
}

/// Every packet that reaches a socket made below the enforced root.
#[cgroup_skb(ingress)]
pub(crate) fn ingress_skb(ctx: SkBuffContext) -> i32 {
    judge_arrival(&ctx).cgroup_return()
}

/// `connect(2)` to an IPv4 address, before the kernel picks a route.
#[cgroup_sock_addr(connect4)]
pub(crate) fn egress_connect4(ctx: SockAddrContext) -> i32 {
    judge_call(Hook::Connect4, &ctx, &of_call_v4(&ctx)).cgroup_return()
}

/// `connect(2)` to an IPv6 or v4-mapped address.
#[cgroup_sock_addr(connect6)]
pub(crate) fn egress_connect6(ctx: SockAddrContext) -> i32 {
    judge_call(Hook::Connect6, &ctx, &of_call_v6(&ctx)).cgroup_return()
}

/// Unconnected UDP to an IPv4 address.
#[cgroup_sock_addr(sendmsg4)]
pub(crate) fn egress_sendmsg4(ctx: SockAddrContext) -> i32 {
    judge_call(Hook::Sendmsg4, &ctx, &of_call_v4(&ctx)).cgroup_return()
}

/// Unconnected UDP to an IPv6 address.
#[cgroup_sock_addr(sendmsg6)]
pub(crate) fn egress_sendmsg6(ctx: SockAddrContext) -> i32 {
    judge_call(Hook::Sendmsg6, &ctx, &of_call_v6(&ctx)).cgroup_return()
}

/// `socket(2)` for IPv4 and IPv6: tags the socket with its agent.
#[cgroup_sock(sock_create)]
pub(crate) fn socket_create(ctx: SockContext) -> i32 {
    judge_socket(&ctx).cgroup_return()
}

#[inline(always)]
fn judge_packet(ctx: &SkBuffContext) -> Verdict {
    let Some(tables) = KernelTables::open() else { return Verdict::Deny };
    if shortcut::leaves(ctx, &tables) {
        return Verdict::Allow;
    }
    let sk = full_socket(ctx);
    let slot = packet_slot(ctx, sk, &tables);
    let mut flow = Flow::UNREADABLE;
    let read = parse_into(&Skb(ctx), &mut flow);
    let decision = decide(&tables, Hook::Egress, slot, &flow, read);
    let is_reset = is_denied_reset(ctx, &flow, &decision);
    let decision = if is_reset { last_word(&tables, decision) } else { decision };
    report::tally(Hook::Egress, slot, &flow, &decision);
    if is_reset {
        return decision.verdict;
    }
    if decision.is_plain_allow() {
        shortcut::remember(&tables, slot, &flow);
    }
    complain(slot, &decision);
    if let Some((kind, due)) = due(Hook::Egress, slot, &decision, coarse) {
        let mut record = report::record(kind, Hook::Egress, slot, &tables.control, &decision);
        if !sk.is_null() {
            // SAFETY: checked non-null.
            unsafe { identity::describe_maker(sk, &mut record) };
        }
        // SAFETY: the context of this program.
        record.socket_cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
        report::tell(&mut record, &flow, due);
    }
    decision.verdict
}

/// Counts what it refuses and reports nothing: a flood from outside must not
/// crowd out the agent's own events.
#[inline(always)]
fn judge_arrival(ctx: &SkBuffContext) -> Verdict {
    if continues_tcp(&Skb(ctx)) {
        return Verdict::Allow;
    }
    let Some(tables) = KernelTables::open() else { return Verdict::Deny };
    if shortcut::arrives(ctx, &tables.control) {
        return Verdict::Allow;
    }
    let slot = packet_slot(ctx, full_socket(ctx), &tables);
    let mut flow = Flow::UNREADABLE;
    let read = parse_answer_into(&Skb(ctx), &mut flow);
    let decision = decide_arrival(&tables, slot, &flow, read);
    if decision.verdict == Verdict::Deny {
        report::tally(Hook::Ingress, slot, &flow, &decision);
    }
    decision.verdict
}

/// Whether it is a reset without payload that may not leave. The kernel sends one
/// from the agent's listener for whatever segment a stranger makes up, so it is
/// counted, and neither reported nor a violation.
#[inline(always)]
fn is_denied_reset(ctx: &SkBuffContext, flow: &Flow, decision: &Decision) -> bool {
    decision.verdict == Verdict::Deny && flow.protocol == Protocol::TCP && bare_reset(&Skb(ctx))
}

/// While the daemon destroys sockets, their resets pass: the peer is told.
#[inline(always)]
fn last_word(tables: &KernelTables, decision: Decision) -> Decision {
    if tables.control.resets != 0 && decision.yields_to_reset() {
        return Decision::RESET;
    }
    decision
}

/// The packet's full socket; null where there is none.
#[inline(always)]
fn full_socket(ctx: &SkBuffContext) -> *mut c_void {
    // SAFETY: a field of the context; the helper takes any socket of it.
    unsafe {
        let sk = (*ctx.skb.skb).__bindgen_anon_2.sk;
        if sk.is_null() { ptr::null_mut() } else { bpf_sk_fullsock(sk).cast() }
    }
}

#[inline(always)]
fn packet_slot(ctx: &SkBuffContext, sk: *mut c_void, tables: &KernelTables) -> u32 {
    let resolve = || {
        // SAFETY: the context's own skb.
        let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(ctx.skb.skb, level) };
        identity::absent(&tables.control, ancestor)
    };
    if sk.is_null() {
        return resolve().slot;
    }
    // SAFETY: checked non-null.
    unsafe { identity::slot(sk, &tables.control, resolve) }
}

#[inline(always)]
fn judge_call(hook: Hook, ctx: &SockAddrContext, flow: &Flow) -> Verdict {
    let Some(tables) = KernelTables::open() else { return Verdict::Deny };
    // SAFETY: the context's own socket, never null in these hooks.
    let sk: *mut c_void = unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }.cast();
    // SAFETY: as above.
    let slot = unsafe { identity::slot(sk, &tables.control, || current(&tables)) };
    let decision = decide(&tables, hook, slot, flow, Ok(()));
    report::tally(hook, slot, flow, &decision);
    complain(slot, &decision);
    if let Some((kind, due)) = due(hook, slot, &decision, coarse) {
        let mut record = report::record(kind, hook, slot, &tables.control, &decision);
        // SAFETY: as above.
        unsafe { identity::describe_maker(sk, &mut record) };
        // The caller is who acts; the socket only says whose policy holds.
        identity::describe_current(&mut record);
        // SAFETY: the context of this program.
        record.socket_cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
        report::tell(&mut record, flow, due);
    }
    decision.verdict
}

#[inline(always)]
fn judge_socket(ctx: &SockContext) -> Verdict {
    let Some(tables) = KernelTables::open() else { return Verdict::Deny };
    let mut tag = current(&tables);
    // SAFETY: fields of the context; the tag goes to the context's socket.
    let socket = unsafe {
        identity::tag(ctx.as_ptr(), &mut tag);
        Socket {
            kind: read_volatile(addr_of!((*ctx.sock).type_)),
            protocol: read_volatile(addr_of!((*ctx.sock).protocol)),
        }
    };
    let decision = decide_socket(&tables, tag.slot, &socket);
    account(Hook::SockCreate, &tables, &tag, &decision, 0);
    decision.verdict
}

/// Tells the daemon's log, besides the event, when the tables contradict
/// themselves: that is our fault and nobody else's.
#[inline(always)]
fn complain(slot: u32, decision: &Decision) {
    if decision.reason == Reason::Internal {
        // The result is the verifier's wish, not ours: global functions return one.
        let _ = enforcer_complain(slot);
    }
}

/// A global function, which the verifier checks once and by itself: inlined,
/// the copying of the message is followed again from each path that leads here
/// and takes most of the time that loading the programs takes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_complain(slot: u32) -> u32 {
    error!((), "slot {}: a port list names a rule that is not in the table", slot);
    0
}
