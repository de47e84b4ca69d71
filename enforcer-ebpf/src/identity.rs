//! Who is speaking: the agent whose cgroup, or whose cgroup's ancestor, the
//! socket was made in. Found once per socket and kept in its tag.

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use enforcer_common::{COMM_LEN, Control, MAX_DEPTH, Record, SLOT_UNBOUND, SocketTag};

use crate::maps::{CGROUPS, SOCKETS};

/// Finds the slot by walking down from the enforced root. `ancestor` gives the
/// id of the cgroup at a level, 0 below the last one.
#[inline(always)]
fn resolve(control: &Control, ancestor: impl Fn(i32) -> u64) -> (u32, u64) {
    let mut deepest = 0;
    for depth in 1..=MAX_DEPTH {
        let id = ancestor((control.root_level + depth) as i32);
        if id == 0 {
            break;
        }
        // SAFETY: the value is copied out at once.
        if let Some(slot) = unsafe { CGROUPS.get(&id) } {
            return (*slot, id);
        }
        deepest = id;
    }
    (SLOT_UNBOUND, deepest)
}

/// A tag for the running process. Only for hooks that run in its context.
#[inline(always)]
pub(crate) fn current(control: &Control, ancestor: impl Fn(i32) -> u64) -> SocketTag {
    let (slot, cgroup_id) = resolve(control, ancestor);
    SocketTag {
        slot,
        binding_epoch: control.binding_epoch,
        pid: current_pid(),
        uid: current_uid(),
        cgroup_id,
        comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
    }
}

/// A tag for a socket whose maker is not running now.
#[inline(always)]
pub(crate) fn absent(control: &Control, ancestor: impl Fn(i32) -> u64) -> SocketTag {
    let (slot, cgroup_id) = resolve(control, ancestor);
    SocketTag { slot, binding_epoch: control.binding_epoch, cgroup_id, ..SocketTag::default() }
}

/// Writes the tag of a socket that is being made. No memory: the socket stays
/// untagged and is resolved anew each time.
///
/// # Safety
/// `sk` is a socket pointer of this program's context.
#[inline(always)]
pub(crate) unsafe fn tag(sk: *mut c_void, tag: &mut SocketTag) {
    let value = ptr::from_mut(tag).cast();
    // SAFETY: the caller's `sk`.
    unsafe { bpf_sk_storage_get(sockets(), sk, value, BPF_SK_STORAGE_GET_F_CREATE.into()) };
}

/// The slot of a socket's agent. A tag that is missing, or older than the
/// binding of cgroups to agents, is made anew by `resolve`.
///
/// # Safety
/// `sk` is a non-null socket pointer of this program's context.
#[inline(always)]
pub(crate) unsafe fn slot(
    sk: *mut c_void,
    control: &Control,
    resolve: impl Fn() -> SocketTag,
) -> u32 {
    // SAFETY: the caller's `sk`; a non-null result is a value of this map.
    let found = unsafe { found(sk).as_mut() };
    if let Some(kept) = &found
        && kept.binding_epoch == control.binding_epoch
    {
        return kept.slot;
    }
    let mut fresh = resolve();
    if let Some(kept) = found {
        kept.slot = fresh.slot;
        kept.cgroup_id = fresh.cgroup_id;
        kept.binding_epoch = fresh.binding_epoch;
    } else {
        // SAFETY: the caller's `sk`.
        unsafe { tag(sk, &mut fresh) };
    }
    fresh.slot
}

/// The slot of a socket that has a tag, and one as young as the bindings. Sockets
/// that are less than full (`sk_fullsock` of the kernel) have none.
///
/// # Safety
/// `sk` is a non-null socket pointer of this program's context.
#[inline(always)]
pub(crate) unsafe fn known(sk: *mut c_void, control: &Control) -> Option<u32> {
    // SAFETY: the caller's `sk`; a non-null result is a value of this map.
    let tag = unsafe { found(sk).as_ref() }?;
    if tag.binding_epoch == control.binding_epoch { Some(tag.slot) } else { None }
}

/// Writes what the socket's tag says of its maker into a record.
///
/// # Safety
/// `sk` is a non-null socket pointer of this program's context.
#[inline(always)]
pub(crate) unsafe fn describe_maker(sk: *mut c_void, record: &mut Record) {
    // SAFETY: the caller's `sk`; a non-null result is a value of this map.
    if let Some(tag) = unsafe { found(sk).as_ref() } {
        record.cgroup_id = tag.cgroup_id;
        record.pid = tag.pid;
        record.uid = tag.uid;
        record.comm = tag.comm;
    }
}

/// Writes the running process into a record.
#[inline(always)]
pub(crate) fn describe_current(record: &mut Record) {
    record.pid = current_pid();
    record.uid = current_uid();
    record.comm = bpf_get_current_comm().unwrap_or([0; COMM_LEN]);
}

/// The thread group id, in the upper half of the helper's answer.
#[inline(always)]
fn current_pid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The user id, in the lower half of the helper's answer.
#[inline(always)]
fn current_uid() -> u32 {
    bpf_get_current_uid_gid() as u32
}

#[inline(always)]
unsafe fn found(sk: *mut c_void) -> *mut SocketTag {
    // SAFETY: the caller's `sk`.
    unsafe { bpf_sk_storage_get(sockets(), sk, ptr::null_mut(), 0) }.cast()
}

#[inline(always)]
fn sockets() -> *mut c_void {
    ptr::addr_of!(SOCKETS).cast_mut().cast()
}
