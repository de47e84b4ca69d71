//! Calls to the enforcement itself, and privileges that no agent has.

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{CANARY_COMMAND, Hook, Reason};

use super::caller::{is_agent, is_below_root, refuse};

/// `ENOANO`: nothing else in `bpf(2)` answers with it.
const CANARY_ANSWER: i32 = -55;
const EPERM: i32 = 1;

/// `bpf(2)`, every command: with the privilege for it comes the whole of the
/// enforcement.
#[lsm(hook = "bpf")]
pub(crate) fn lsm_bpf(ctx: LsmContext) -> i32 {
    let command: u32 = ctx.arg(0);
    if command == CANARY_COMMAND {
        return if is_below_root() { -EPERM } else { CANARY_ANSWER };
    }
    if !is_agent() {
        return 0;
    }
    refuse(Hook::Bpf, Reason::Tamper)
}
