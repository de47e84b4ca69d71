//! Who calls, and how it is refused.

use core::ptr::{addr_of, read_volatile};

use aya_ebpf::helpers::generated::bpf_get_current_ancestor_cgroup_id;
use enforcer_common::{Hook, Reason, Verdict, decide_call};

use crate::guard::{account, current};
use crate::tables::KernelTables;
use crate::tasks;

/// Id and depth of the enforced root: constants for the verifier, written by
/// the loader.
#[unsafe(no_mangle)]
pub(super) static ENFORCED_ROOT: u64 = 0;
#[unsafe(no_mangle)]
static ENFORCED_LEVEL: u32 = 0;

/// Whether the running process is below the enforced root, and not the
/// daemon's own.
#[inline(always)]
pub(super) fn is_agent() -> bool {
    is_below_root() && !tasks::is_trusted()
}

/// Whether the running process is below the enforced root.
#[inline(always)]
pub(super) fn is_below_root() -> bool {
    // SAFETY: no preconditions; volatile because the loader writes the constants.
    unsafe {
        bpf_get_current_ancestor_cgroup_id(read_volatile(addr_of!(ENFORCED_LEVEL)) as i32)
            == read_volatile(addr_of!(ENFORCED_ROOT))
    }
}

/// Refuses a call of the running process, and says so; audit mode may only say.
#[inline(always)]
pub(super) fn refuse(hook: Hook, reason: Reason) -> i32 {
    let refused = enforcer_refuse(hook as u32, reason as u32);
    // Volatile, so that a branch is made of it: the compiler knows that it is 0 or 1
    // and would negate it, the verifier (Linux 6.12) does not and wants one of two
    // constants returned.
    // SAFETY: a local variable.
    if unsafe { read_volatile(addr_of!(refused)) } == 0 {
        return Verdict::Allow.lsm_return();
    }
    Verdict::Deny.lsm_return()
}

/// A global function, verified once and by itself: what follows a refusal is
/// long. 0 permits.
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
    account(hook, &tables, &tag, &decision, 0);
    u32::from(decision.verdict == Verdict::Deny)
}
