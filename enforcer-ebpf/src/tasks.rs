//! What processes are to the enforcement: tags kept with the kernel's own task,
//! so that they end with it and no process id is ever mistaken for another.

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE;
use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, BPF_LOCAL_STORAGE_GET_F_CREATE};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_storage_get};
use aya_ebpf::macros::btf_map;
use enforcer_common::{Field, TaskTag};

use crate::fields::load;

/// A map with a value for each task; aya-ebpf has none. The loader reads the
/// numbers out of the types of these pointers, which are never followed.
#[repr(C)]
pub(crate) struct TaskStorage<T> {
    r#type: *const [i32; BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
}

// SAFETY: the pointers are never followed; the kernel keeps the values.
unsafe impl<T> Sync for TaskStorage<T> {}

/// Tags of processes. Writers: `escape`; the daemon, for its own child. No
/// memory: the process is untagged, as one that was never below the root.
#[btf_map]
static TASKS: TaskStorage<TaskTag> = TaskStorage {
    r#type: ptr::null(),
    key: ptr::null(),
    value: ptr::null(),
    max_entries: ptr::null(),
    map_flags: ptr::null(),
};

/// The tag of a task; `make` gives it an empty one where it has none.
///
/// # Safety
/// `task` is a task pointer that the verifier knows as one.
#[inline(always)]
pub(crate) unsafe fn tag<'a>(task: *mut c_void, make: bool) -> Option<&'a mut TaskTag> {
    let map = ptr::addr_of!(TASKS).cast_mut().cast();
    let flags = if make { BPF_LOCAL_STORAGE_GET_F_CREATE } else { 0 };
    // SAFETY: the caller's task; a non-null result is a value of this map that
    // stays for the program run.
    unsafe {
        bpf_task_storage_get(map, task.cast(), ptr::null_mut(), flags.into())
            .cast::<TaskTag>()
            .as_mut()
    }
}

/// Whether the running process is the daemon's own.
#[inline(always)]
pub(crate) fn is_trusted() -> bool {
    // SAFETY: the helper's own pointer, which is never null.
    unsafe { is_trusted_task(bpf_get_current_task_btf().cast()) }
}

/// Whether a process is the daemon's own.
///
/// # Safety
/// As for [`leader`].
#[inline(always)]
pub(crate) unsafe fn is_trusted_task(task: *const u8) -> bool {
    // SAFETY: the caller's task.
    unsafe { tag(leader(task), false) }.is_some_and(|tag| tag.kind == TaskTag::TRUSTED)
}

/// The first thread of a task's process, which has the process's tag.
///
/// # Safety
/// `task` is a task that the verifier knows as one.
#[inline(always)]
pub(crate) unsafe fn leader(task: *const u8) -> *mut c_void {
    // SAFETY: the caller's task.
    unsafe { load(task, Field::TaskLeader) }
}
