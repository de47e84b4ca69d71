//! Processes outside: what an agent could do to one without a packet, from
//! tracing it to a signal that the kernel sends on the agent's behalf.

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{Hook, Reason};

use super::caller::{is_agent, refuse};
use super::peer::{cgroup_of_task, is_own, own_number};
use crate::fields::Object;
use crate::tasks;

/// `PTRACE_MODE_ATTACH` of `include/linux/ptrace.h`; without it only `/proc` is
/// read.
const ATTACH: u32 = 2;
/// `SEND_SIG_PRIV` of `include/linux/sched/signal.h`; below it nothing is either.
const FROM_KERNEL: u64 = 1;
/// `F_SETOWN` and `F_SETOWN_EX` of `include/uapi/asm-generic/fcntl.h`.
const SET_OWNER: u32 = 8;
const SET_OWNER_BY_STRUCT: u32 = 15;
/// `FIOSETOWN` and `SIOCSPGRP` of `include/uapi/asm-generic/sockios.h`, whose argument
/// may change before the kernel reads it; `TIOCSTI` and `TIOCLINUX` of
/// `include/uapi/asm-generic/ioctls.h`, which type into whatever runs at a terminal.
const REFUSED: [u32; 4] = [0x8901, 0x8902, 0x5412, 0x541c];

/// `ptrace(2)`, `pidfd_getfd(2)`, `process_vm_writev(2)`, `/proc/PID/mem`.
#[lsm(hook = "ptrace_access_check")]
pub(crate) fn lsm_ptrace(ctx: LsmContext) -> i32 {
    let mode: u32 = ctx.arg(1);
    if mode & ATTACH == 0 {
        return 0;
    }
    guard(Hook::PtraceAccessCheck, ctx.arg(0))
}

/// A signal from one process to another, stopping and killing included.
#[lsm(hook = "task_kill")]
pub(crate) fn lsm_kill(ctx: LsmContext) -> i32 {
    let (info, signal): (u64, u32) = (ctx.arg(1), ctx.arg(2));
    // Signal 0 only asks whether the process is there.
    if signal == 0 || info <= FROM_KERNEL {
        return 0;
    }
    guard(Hook::TaskKill, ctx.arg(0))
}

/// `prlimit(2)`: a limit of no processor time ends a process.
#[lsm(hook = "task_setrlimit")]
pub(crate) fn lsm_limit(ctx: LsmContext) -> i32 {
    guard(Hook::TaskLimit, ctx.arg(0))
}

/// `setpriority(2)`.
#[lsm(hook = "task_setnice")]
pub(crate) fn lsm_nice(ctx: LsmContext) -> i32 {
    guard(Hook::TaskLimit, ctx.arg(0))
}

/// `sched_setscheduler(2)`, `sched_setaffinity(2)` and the like.
#[lsm(hook = "task_setscheduler")]
pub(crate) fn lsm_scheduler(ctx: LsmContext) -> i32 {
    guard(Hook::TaskLimit, ctx.arg(0))
}

/// `ioprio_set(2)`.
#[lsm(hook = "task_setioprio")]
pub(crate) fn lsm_ioprio(ctx: LsmContext) -> i32 {
    guard(Hook::TaskLimit, ctx.arg(0))
}

/// `fcntl(2)`: who is sent the signals of a descriptor. The sender's cgroup is
/// forgotten by then, so that only oneself may be named.
#[lsm(hook = "file_fcntl")]
pub(crate) fn lsm_fcntl(ctx: LsmContext) -> i32 {
    let (command, argument): (u32, u64) = (ctx.arg(1), ctx.arg(2));
    let names = match command {
        SET_OWNER => Some(argument as i32),
        SET_OWNER_BY_STRUCT => None,
        _ => return 0,
    };
    // Nobody is named by 0.
    if names == Some(0) || !is_agent() || (names.is_some() && names == own_number()) {
        return 0;
    }
    refuse(Hook::FileControl, Reason::Tamper)
}

/// `ioctl(2)`.
#[lsm(hook = "file_ioctl")]
pub(crate) fn lsm_ioctl(ctx: LsmContext) -> i32 {
    refuse_request(ctx.arg(1))
}

/// The same by a 32-bit program.
#[lsm(hook = "file_ioctl_compat")]
pub(crate) fn lsm_ioctl_compat(ctx: LsmContext) -> i32 {
    refuse_request(ctx.arg(1))
}

#[inline(always)]
fn refuse_request(request: u32) -> i32 {
    if !REFUSED.contains(&request) || !is_agent() {
        return 0;
    }
    refuse(Hook::FileControl, Reason::Tamper)
}

/// `task` is the hook's own.
#[inline(always)]
fn guard(hook: Hook, task: *const u8) -> i32 {
    if !is_agent() || is_own_process(task) {
        return 0;
    }
    refuse(hook, Reason::Tamper)
}

/// Of the caller's agent. The daemon's child is not, even while it is in the
/// agent's cgroup.
#[inline(always)]
fn is_own_process(task: *const u8) -> bool {
    // SAFETY: an argument of the program, which the verifier knows as a task.
    let trusted = unsafe { tasks::is_trusted_task(task) };
    !trusted && is_own(cgroup_of_task(Object::at(task)))
}
