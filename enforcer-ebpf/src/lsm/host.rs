//! Calls to the enforcement itself, and privileges that no agent has.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{CANARY_COMMAND, Field, Hook, Reason, is_refused_capability};

use super::caller::{is_agent, is_below_root, refuse};
use crate::fields::Object;

const EPERM: i32 = 1;
/// `ENOANO`: nothing else in `bpf(2)` answers with it.
const CANARY_ANSWER: i32 = 55;
/// `CAP_OPT_NOAUDIT` of `include/linux/security.h`: nobody asked for the
/// privilege, the kernel only wonders.
const NO_AUDIT: u32 = 2;

/// `bpf(2)`, every command: with the privilege for it comes the whole of the
/// enforcement.
#[lsm(hook = "bpf")]
pub(crate) fn lsm_bpf(ctx: LsmContext) -> i32 {
    let command: u32 = ctx.arg(0);
    if command == CANARY_COMMAND {
        return if is_below_root() { -EPERM } else { -CANARY_ANSWER };
    }
    if !is_agent() {
        return 0;
    }
    refuse(Hook::Bpf, Reason::Tamper)
}

/// A privilege is used. By fmod_ret the program is asked before the kernel looks
/// whether the caller has it; who has it not is refused there, and breaks nothing.
#[lsm(hook = "capable")]
pub(crate) fn lsm_capable(ctx: LsmContext) -> i32 {
    let (capability, options): (u32, u32) = (ctx.arg(2), ctx.arg(3));
    if !is_refused_capability(capability) || !is_agent() {
        return 0;
    }
    if !has(Object::at(ctx.arg(0)), Object::at(ctx.arg(1)), capability) {
        return 0;
    }
    if options & NO_AUDIT != 0 {
        return -EPERM;
    }
    refuse(Hook::Capable, Reason::Privilege)
}

/// Whether credentials may have a capability over a user namespace, by the rules
/// of the kernel's `cap_capable`: over their own, if it is in effect; over none
/// beside or above. Below it depends on the owner: taken for granted. So is what
/// cannot be read.
#[inline(always)]
fn has(credentials: Object, space: Object, capability: u32) -> bool {
    let own = credentials.follow(Field::CredSpace);
    if own == space {
        let effective: u64 = credentials.read(Field::CredEffective).unwrap_or(u64::MAX);
        return effective >> (capability & 63) & 1 != 0;
    }
    let level = |space: Object| space.read::<i32>(Field::SpaceLevel);
    level(space).unwrap_or(i32::MAX) > level(own).unwrap_or(-1)
}

/// A user namespace is made: in it a process has every capability.
#[lsm(hook = "userns_create")]
pub(crate) fn lsm_userns(_ctx: LsmContext) -> i32 {
    if !is_agent() {
        return 0;
    }
    refuse(Hook::UsernsCreate, Reason::Privilege)
}

/// A key is made. Keys of other types than these, and the token for an answer
/// from user space, make the kernel start `/sbin/request-key` outside.
#[lsm(hook = "key_alloc")]
pub(crate) fn lsm_key(ctx: LsmContext) -> i32 {
    if !is_agent() {
        return 0;
    }
    let key: *const u8 = ctx.arg(0);
    let name = Object::at(key).follow(Field::KeyType).follow(Field::KeyTypeName);
    // SAFETY: the helper checks the address.
    let name = unsafe { bpf_probe_read_kernel(name.address() as *const [u8; 8]) }.unwrap_or([0; 8]);
    if name == *b"keyring\0" || name[..5] == *b"user\0" || name[..6] == *b"logon\0" {
        return 0;
    }
    refuse(Hook::KeyAlloc, Reason::Privilege)
}
