//! Writes to procfs, where files stand for processes and for the kernel.

use enforcer_common::{Field, Reason};

use super::peer::{cgroup_of_task, is_own};
use crate::fields::Object;

/// `S_IFMT` and `S_IFDIR` of `include/uapi/linux/stat.h`.
pub(super) const TYPE_MASK: u16 = 0o170_000;
const FOLDER: u16 = 0o040_000;

/// What writing to this file would be. An agent's own processes are its own to
/// write to; settings below `/proc/sys` are for `cgroup/sysctl` to judge.
#[inline(always)]
pub(super) fn objection(inode: Object) -> Option<Reason> {
    // Nothing is made in a folder of procfs; the kernel asks all the same.
    if inode.read::<u16>(Field::InodeMode).is_some_and(|mode| mode & TYPE_MASK == FOLDER) {
        return None;
    }
    let node = inode.containing(Field::ProcInode);
    if !node.follow(Field::ProcSettings).is_null() {
        return None;
    }
    let pid = node.follow(Field::ProcPid);
    if pid.is_null() {
        // `sysrq-trigger`, interrupts, drivers.
        return Some(Reason::KernelSetting);
    }
    // The threads of a number, which is one or, when it has ended, none.
    let link = pid.follow(Field::PidTasks);
    if link.is_null() || is_own(cgroup_of_task(link.containing(Field::TaskPidLinks))) {
        return None;
    }
    Some(Reason::Tamper)
}
