//! Calls that name no destination and open a way past the judge of packets.

use aya_ebpf::helpers::generated::bpf_get_current_ancestor_cgroup_id;
use aya_ebpf::macros::{cgroup_device, cgroup_sockopt, cgroup_sysctl};
use aya_ebpf::programs::{DeviceContext, SockoptContext, SysctlContext};
use core::ptr::{addr_of, read_volatile};
use enforcer_common::{
    Decision, Flow, Hook, Reason, SocketTag, Verdict, decide_refusal, device_detail, option_detail,
};

use crate::due::{due, fine};
use crate::identity;
use crate::options::{diverts, escapes};
use crate::report;
use crate::tables::KernelTables;

/// The kernel copies at most this much of an option's value for programs.
const PAGE: i32 = 4096;

/// `setsockopt(2)` on sockets of agents.
#[cgroup_sockopt(setsockopt)]
pub(crate) fn socket_option(ctx: SockoptContext) -> i32 {
    // SAFETY: fields of the context; volatile because the verifier allows loads
    // of exactly their size.
    let (level, name, len) = unsafe {
        (
            read_volatile(addr_of!((*ctx.sockopt).level)),
            read_volatile(addr_of!((*ctx.sockopt).optname)),
            read_volatile(addr_of!((*ctx.sockopt).optlen)),
        )
    };
    if len > PAGE {
        // SAFETY: a writable field. Zero: the kernel uses the caller's own buffer
        // (kernel/bpf/cgroup.c); otherwise it would refuse the long value.
        unsafe { (*ctx.sockopt).optlen = 0 };
    }
    if !diverts(level, name) {
        return Verdict::Allow.cgroup_return();
    }
    let detail = option_detail(level as u32, name as u32);
    refuse(Hook::Setsockopt, Reason::SocketOption, detail).cgroup_return()
}

/// A device file is opened, or made.
#[cgroup_device]
pub(crate) fn device_access(ctx: DeviceContext) -> i32 {
    // SAFETY: fields of the context.
    let (access, major, minor) = unsafe {
        (
            read_volatile(addr_of!((*ctx.device).access_type)),
            read_volatile(addr_of!((*ctx.device).major)),
            read_volatile(addr_of!((*ctx.device).minor)),
        )
    };
    if !escapes(access, major, minor) {
        return Verdict::Allow.cgroup_return();
    }
    refuse(Hook::Device, Reason::Device, device_detail(major, minor)).cgroup_return()
}

/// A file below `/proc/sys` is read or written.
#[cgroup_sysctl]
pub(crate) fn kernel_setting(ctx: SysctlContext) -> i32 {
    // SAFETY: a field of the context.
    if unsafe { read_volatile(addr_of!((*ctx.sysctl).write)) } == 0 {
        return Verdict::Allow.cgroup_return();
    }
    refuse(Hook::Sysctl, Reason::KernelSetting, 0).cgroup_return()
}

/// Refuses, in the name of the running process's agent, what no agent may do.
#[inline(always)]
fn refuse(hook: Hook, reason: Reason, detail: u32) -> Verdict {
    let Some(tables) = KernelTables::open() else { return Verdict::Deny };
    let tag = current(&tables);
    let decision = decide_refusal(&tables, tag.slot, reason);
    account(hook, &tables, &tag, &decision, detail);
    decision.verdict
}

/// Counts and reports a call of the running process that named no destination.
#[inline(always)]
pub(crate) fn account(
    hook: Hook,
    tables: &KernelTables,
    tag: &SocketTag,
    decision: &Decision,
    detail: u32,
) {
    let flow = Flow::UNREADABLE;
    report::tally(hook, tag.slot, &flow, decision);
    if let Some((kind, due)) = due(hook, tag.slot, decision, fine) {
        let mut record = report::record(kind, hook, tag.slot, &tables.control, decision);
        record.cgroup_id = tag.cgroup_id;
        record.detail = detail;
        identity::describe_current(&mut record);
        report::tell(&mut record, &flow, due);
    }
}

/// A tag for the running process.
#[inline(always)]
pub(crate) fn current(tables: &KernelTables) -> SocketTag {
    // SAFETY: no preconditions.
    identity::current(&tables.control, |level| unsafe { bpf_get_current_ancestor_cgroup_id(level) })
}
