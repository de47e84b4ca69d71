//! Processes that have left the enforced root, or gone over to another agent,
//! however they did it. Tracepoints
//! cannot refuse, but a process can be killed before it runs again. Whoever has
//! been below the root has a tag, and so has what it starts; who has the tag
//! and is elsewhere has escaped. Needs no LSM.

use core::ptr::{addr_of, read_volatile};

use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_send_signal};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use enforcer_common::{
    Field, Flow, Hook, PolicyTables, Reason, RecordKind, SLOT_UNBOUND, TaskTag, decide_call,
};

use crate::due::{Due, fine, of_kind};
use crate::fields::Object;
use crate::lsm::{ancestor, cgroup_of_task, is_cgroup_below_root};
use crate::maps::CGROUPS;
use crate::tables::{KernelTables, state};
use crate::{identity, report, tasks};

const SIGKILL: u32 = 9;
/// `PIDTYPE_TGID` of `include/linux/pid.h`.
const PROCESS: u32 = 1;

/// Whether this kernel can signal another process than the running one (6.13
/// and newer); written by the loader.
#[unsafe(no_mangle)]
static HAS_SIGNAL_TASK: u32 = 0;
/// Stands for the number of `bpf_send_signal_task`: the loader puts the kernel
/// function's own number in its place.
const SIGNAL_TASK: usize = 0x7e4f_0001;
type SignalTask = unsafe extern "C" fn(*const u8, u32, u32, u64) -> i32;

/// A process was moved to another cgroup.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub(crate) fn watch_attach(ctx: BtfTracePointContext) -> i32 {
    let task: *const u8 = ctx.arg(2);
    // Where it is now, and not where it was moved to, which may be a hierarchy
    // of version 1.
    let cgroup = cgroup_of_task(Object::at(task));
    let Some(tables) = KernelTables::open() else { return 0 };
    let inside = is_cgroup_below_root(&tables.control, cgroup);
    // SAFETY: an argument of the program, which the verifier knows as a task.
    let Some(tag) = (unsafe { tasks::tag(tasks::leader(task), inside) }) else { return 0 };
    if tag.kind == TaskTag::TRUSTED {
        return 0;
    }
    // SAFETY: the helper's own pointer.
    let mover = unsafe { tasks::tag(tasks::leader(bpf_get_current_task_btf().cast()), false) };
    let by_agent = mover.is_some_and(|mover| mover.kind == TaskTag::AGENT);
    if inside && !(by_agent && joins_another(tag, &tables, cgroup)) {
        note(tag, &tables, cgroup);
    } else if tag.kind == TaskTag::AGENT {
        escaped(Hook::CgroupAttachTask, tag, task);
    }
    0
}

/// A process or thread was started; it has not run yet.
#[btf_tracepoint(function = "task_newtask")]
pub(crate) fn watch_newtask(ctx: BtfTracePointContext) -> i32 {
    let task: *const u8 = ctx.arg(0);
    // SAFETY: the helper's own pointer and an argument of the program.
    let (parent, leader) =
        unsafe { (tasks::leader(bpf_get_current_task_btf().cast()), tasks::leader(task)) };
    if parent == leader {
        return 0;
    }
    let Some(tables) = KernelTables::open() else { return 0 };
    let cgroup = cgroup_of_task(Object::at(task));
    // SAFETY: loaded from the helper's pointer.
    let maker = unsafe { tasks::tag(parent, false) }.filter(|tag| tag.kind == TaskTag::AGENT);
    if is_cgroup_below_root(&tables.control, cgroup) {
        // SAFETY: loaded from an argument.
        if let Some(tag) = unsafe { tasks::tag(leader, true) } {
            note(tag, &tables, cgroup);
        }
        let Some(maker) = maker else { return 0 };
        if joins_another(maker, &tables, cgroup) {
            escaped(Hook::TaskNewtask, maker, task);
        }
        return 0;
    }
    if let Some(tag) = maker {
        escaped(Hook::TaskNewtask, tag, task);
    }
    0
}

/// Whether a cgroup below the root is another agent's than the tag's: what is
/// denied to one may be allowed to the other. One that no policy names allows
/// nothing. Only what agents do is asked about: an administrator may.
#[inline(always)]
fn joins_another(tag: &TaskTag, tables: &KernelTables, cgroup: Object) -> bool {
    let owner = identity::absent(&tables.control, |level| ancestor(cgroup, level)).slot;
    // SAFETY: the value is copied out at once.
    let own = unsafe { CGROUPS.get(&tag.cgroup_id) }.copied().unwrap_or(SLOT_UNBOUND);
    tag.kind == TaskTag::AGENT && owner != SLOT_UNBOUND && owner != own
}

/// Tags a process with the agent it belongs to now.
#[inline(always)]
fn note(tag: &mut TaskTag, tables: &KernelTables, cgroup: Object) {
    let owner = identity::absent(&tables.control, |level| ancestor(cgroup, level));
    tag.kind = TaskTag::AGENT;
    tag.cgroup_id = owner.cgroup_id;
}

/// Kills what has left, cuts its agent off, and says so.
#[inline(always)]
fn escaped(hook: Hook, tag: &TaskTag, task: *const u8) {
    let pid = Object::at(task).read::<u32>(Field::TaskGroup).unwrap_or(0);
    let _ = enforcer_escaped(hook as u32, tag.cgroup_id, pid);
    // SAFETY: an argument of the program.
    unsafe { kill(task) };
}

/// A global function: what follows an escape is long.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_escaped(hook: u32, cgroup_id: u64, pid: u32) -> u32 {
    let Ok(hook) = Hook::try_from(hook as u8) else { return 0 };
    let Some(tables) = KernelTables::open() else { return 0 };
    // SAFETY: the value is copied out at once.
    let slot = unsafe { CGROUPS.get(&cgroup_id) }.copied().unwrap_or(SLOT_UNBOUND);
    let decision = decide_call(&tables, slot, Reason::Escape);
    let flow = Flow::UNREADABLE;
    report::tally(hook, slot, &flow, &decision);
    let due = of_kind(RecordKind::Tamper, slot, true, fine());
    let mut record = report::record(RecordKind::Tamper, hook, slot, &tables.control, &decision);
    record.cgroup_id = cgroup_id;
    identity::describe_current(&mut record);
    record.pid = pid;
    report::tell(&mut record, &flow, due.unwrap_or(Due(0)));
    let audit = tables.limits(slot).is_some_and(|limits| limits.is_audit());
    if let (Some(state), false) = (state(slot), audit || slot == SLOT_UNBOUND) {
        report::cut_off(&mut record, state);
    }
    0
}

/// Kills the process of a task. Older kernels can only signal the running
/// process: the one that moved or started it, if that is an agent's.
///
/// # Safety
/// `task` is a task that the verifier knows as one.
#[inline(always)]
unsafe fn kill(task: *const u8) {
    // SAFETY: a constant; volatile because the loader writes it.
    if unsafe { read_volatile(addr_of!(HAS_SIGNAL_TASK)) } != 0 {
        // SAFETY: the loader has replaced the number by that of a kernel function
        // with this signature.
        unsafe {
            let signal: SignalTask = core::mem::transmute(SIGNAL_TASK);
            signal(task, SIGKILL, PROCESS, 0);
        }
        return;
    }
    // SAFETY: the helper's own pointer.
    let culprit = unsafe { tasks::tag(tasks::leader(bpf_get_current_task_btf().cast()), false) };
    if culprit.is_some_and(|tag| tag.kind == TaskTag::AGENT) {
        // SAFETY: no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
}
