//! Whose a socket or a process is: of the caller's own agent, or somebody
//! else's.

use core::ptr::{addr_of, null, read_volatile};

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use enforcer_common::{Control, Field, SLOT_UNBOUND};

use super::caller::ENFORCED_ROOT;
use crate::fields::Object;
use crate::guard::current;
use crate::identity;
use crate::tables::KernelTables;

/// The cgroup of a process.
#[inline(always)]
pub(crate) fn cgroup_of_task(task: Object) -> Object {
    task.follow(Field::TaskCgroups).follow(Field::CssSetCgroup)
}

/// The number of the running process where it lives, as `getpid(2)` says it.
#[inline(always)]
pub(super) fn own_number() -> Option<i32> {
    // SAFETY: no preconditions.
    let task = Object::at(unsafe { bpf_get_current_task_btf() }.cast());
    let pid = task.follow(Field::TaskLeader).follow(Field::TaskPid);
    let level: u32 = pid.read(Field::PidLevel)?;
    // `struct upid` of `include/linux/pid.h`: the number, then a pointer.
    let numbers = pid.field(Field::PidNumbers).cast::<[i32; 4]>();
    // SAFETY: the helper checks the address.
    let number = unsafe { bpf_probe_read_kernel(numbers.wrapping_add(level as usize)) };
    number.ok().map(|[number, ..]| number)
}

/// Whether a cgroup belongs to the agent of the running process. One that
/// cannot be read does not.
#[inline(always)]
pub(super) fn is_own(cgroup: Object) -> bool {
    if cgroup.is_null() {
        return false;
    }
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task_btf() };
    cgroup == cgroup_of_task(Object::at(task.cast())) || enforcer_same_agent(cgroup.address()) != 0
}

/// A global function, verified once: the walk over ancestors is long.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_same_agent(cgroup: u64) -> u32 {
    let Some(tables) = KernelTables::open() else { return 0 };
    let cgroup = Object::of_address(cgroup);
    if !is_cgroup_below_root(&tables.control, cgroup) {
        return 0;
    }
    let own = current(&tables);
    let other = identity::absent(&tables.control, |level| ancestor(cgroup, level));
    let same = own.slot == other.slot;
    u32::from(same && (own.slot != SLOT_UNBOUND || own.cgroup_id == other.cgroup_id))
}

/// Whether a cgroup is the enforced root, or below it.
#[inline(always)]
pub(crate) fn is_cgroup_below_root(control: &Control, cgroup: Object) -> bool {
    // SAFETY: a constant; volatile because the loader writes it.
    let root = unsafe { read_volatile(addr_of!(ENFORCED_ROOT)) };
    ancestor(cgroup, control.root_level as i32) == root
}

/// Id of a cgroup's ancestor at this depth; 0 below the cgroup itself.
#[inline(always)]
pub(crate) fn ancestor(cgroup: Object, level: i32) -> u64 {
    let depth = cgroup.read::<i32>(Field::CgroupLevel).unwrap_or(-1);
    if level < 0 || level > depth {
        return 0;
    }
    let ancestors = cgroup.field(Field::CgroupAncestors).cast::<*const u8>();
    // SAFETY: the helper checks the address.
    let found = unsafe { bpf_probe_read_kernel(ancestors.wrapping_add(level as usize)) };
    let node = Object::at(found.unwrap_or(null())).follow(Field::CgroupNode);
    node.read(Field::NodeId).unwrap_or(0)
}
