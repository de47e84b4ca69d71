//! Who calls, and how it is refused.

use core::ptr::{addr_of, read_volatile};

use aya_ebpf::helpers::generated::bpf_get_current_ancestor_cgroup_id;
use enforcer_common::{Decision, Flow, Hook, Reason, SocketTag, Verdict, decide_call};

use crate::tables::KernelTables;
use crate::{identity, report, tasks};

/// Id and depth of the enforced root: constants for the verifier, written by
/// the loader.
#[unsafe(no_mangle)]
static ENFORCED_ROOT: u64 = 0;
#[unsafe(no_mangle)]
static ENFORCED_LEVEL: u32 = 0;

/// Whether the running process is below the enforced root, and not the
/// daemon's own.
#[inline(always)]
pub(crate) fn is_agent() -> bool {
    is_below_root() && !tasks::is_trusted()
}

#[inline(always)]
pub(crate) fn is_below_root() -> bool {
    // SAFETY: no preconditions; volatile because the loader writes the constants.
    unsafe {
        bpf_get_current_ancestor_cgroup_id(read_volatile(addr_of!(ENFORCED_LEVEL)) as i32)
            == read_volatile(addr_of!(ENFORCED_ROOT))
    }
}

/// Refuses a call of the running process, and says so; audit mode may only say.
#[inline(always)]
pub(crate) fn refuse(hook: Hook, reason: Reason) -> i32 {
    if enforcer_refuse(hook as u32, reason as u32) == 0 {
        return Verdict::Allow.lsm_return();
    }
    Verdict::Deny.lsm_return()
}

/// A global function, verified once and by itself; the caller's side of the
/// program stays small. 0 permits.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_refuse(hook: u32, reason: u32) -> u32 {
    let (Ok(hook), Ok(reason)) = (Hook::try_from(hook as u8), Reason::try_from(reason as u8))
    else {
        return 1;
    };
    let Some(tables) = KernelTables::open() else { return 1 };
    let tag = current(&tables);
    let decision = decide_call(&tables, tag.slot, reason);
    tell(hook, &tables, &tag, &decision);
    u32::from(decision.verdict == Verdict::Deny)
}

#[inline(always)]
fn tell(hook: Hook, tables: &KernelTables, tag: &SocketTag, decision: &Decision) {
    let flow = Flow::UNREADABLE;
    report::tally(hook, tag.slot, &flow, decision);
    if let Some(kind) = report::kind(hook, decision) {
        let mut record = report::record(kind, hook, tag.slot, &tables.control, decision);
        record.cgroup_id = tag.cgroup_id;
        identity::describe_current(&mut record);
        report::tell(&mut record, &flow, !decision.audited && decision.reason.is_violation());
    }
}

#[inline(always)]
pub(crate) fn current(tables: &KernelTables) -> SocketTag {
    // SAFETY: no preconditions.
    identity::current(&tables.control, |level| unsafe { bpf_get_current_ancestor_cgroup_id(level) })
}
