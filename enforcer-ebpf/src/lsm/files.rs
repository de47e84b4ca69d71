//! Writes to the file systems that the enforcement stands on: whoever writes to
//! cgroupfs moves processes, whoever changes bpffs removes pins, whoever writes to
//! procfs may end the daemon.
//!
//! These are the hottest hooks of all, run for every path component and every
//! write on the host: the mask first, then the kind of file system by plain
//! loads, and only then the caller.

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{Field, FileKey, Hook, Reason};

use super::caller::{is_agent, refuse};
use super::procfs::{self, TYPE_MASK};
use super::socket::objection_to_file;
use crate::fields::{Object, load};
use crate::maps::FILES;

/// `MAY_WRITE` of `include/linux/fs.h`.
const WRITE: u32 = 2;
/// `MAY_ACCESS`, likewise: `access(2)` asks and does nothing.
const ASK: u32 = 0x10;
/// Of `include/uapi/linux/magic.h`.
const CGROUP2: u64 = 0x6367_7270;
const CGROUP1: u64 = 0x0027_e0eb;
const BPFFS: u64 = 0xcafe_4a11;
const PROC: u64 = 0x9fa0;
/// `S_IFSOCK` of `include/uapi/linux/stat.h`.
const SOCKET: u16 = 0o140_000;

/// A file is opened for writing, or a folder changed.
#[lsm(hook = "inode_permission")]
pub(crate) fn lsm_inode(ctx: LsmContext) -> i32 {
    let mask: u32 = ctx.arg(1);
    if mask & (WRITE | ASK) != WRITE {
        return 0;
    }
    let inode: *const u8 = ctx.arg(0);
    // SAFETY: the hook's own inode.
    guard(unsafe { reason(inode) }.or_else(|| own(Object::at(inode))), Hook::InodePermission)
}

/// A descriptor that was opened before is written to. Sockets as well: `splice`
/// goes past the hook for sends on older kernels.
#[lsm(hook = "file_permission")]
pub(crate) fn lsm_file(ctx: LsmContext) -> i32 {
    let (file, mask): (*const u8, u32) = (ctx.arg(0), ctx.arg(1));
    if mask & WRITE == 0 {
        return 0;
    }
    // SAFETY: the hook's own file, and its inode.
    let (inode, mode) = unsafe {
        let inode: *const u8 = load(file, Field::FileInode);
        (inode, load::<u16>(inode, Field::InodeMode))
    };
    if mode & TYPE_MASK == SOCKET {
        return guard_socket(file);
    }
    // SAFETY: as above.
    guard(unsafe { reason(inode) }, Hook::InodePermission)
}

/// A pin is removed, or a file of the enforcer's.
#[lsm(hook = "inode_unlink")]
pub(crate) fn lsm_unlink(ctx: LsmContext) -> i32 {
    // SAFETY: the hook's own inode.
    guard(unsafe { reason(ctx.arg(0)) }.or_else(|| named(ctx.arg(1))), Hook::InodeUnlink)
}

/// One of them is moved, or another one put over it.
#[lsm(hook = "inode_rename")]
pub(crate) fn lsm_rename(ctx: LsmContext) -> i32 {
    // SAFETY: the hook's own inodes.
    let (from, to) = unsafe { (reason(ctx.arg(0)), reason(ctx.arg(2))) };
    let moved = || named(ctx.arg(1)).or_else(|| named(ctx.arg(3)));
    guard(from.or(to).or_else(moved), Hook::InodeUnlink)
}

/// `mount(2)`.
#[lsm(hook = "sb_mount")]
pub(crate) fn lsm_mount(_ctx: LsmContext) -> i32 {
    guard(Some(Reason::Tamper), Hook::Mount)
}

/// `move_mount(2)`, the end of the newer way to mount.
#[lsm(hook = "move_mount")]
pub(crate) fn lsm_move_mount(_ctx: LsmContext) -> i32 {
    guard(Some(Reason::Tamper), Hook::Mount)
}

/// `umount(2)`.
#[lsm(hook = "sb_umount")]
pub(crate) fn lsm_umount(_ctx: LsmContext) -> i32 {
    guard(Some(Reason::Tamper), Hook::Mount)
}

#[inline(always)]
fn guard(reason: Option<Reason>, hook: Hook) -> i32 {
    match reason {
        Some(reason) if is_agent() => refuse(hook, reason),
        _ => 0,
    }
}

#[inline(always)]
fn guard_socket(file: *const u8) -> i32 {
    if !is_agent() {
        return 0;
    }
    match objection_to_file(Object::at(file)) {
        Some(reason) => refuse(Hook::SocketSendmsg, reason),
        None => 0,
    }
}

/// What changing what a name stands for would be.
#[inline(always)]
fn named(dentry: *const u8) -> Option<Reason> {
    own(Object::at(dentry).follow(Field::DentryInode))
}

/// What writing to a file of the enforcer's is to an agent.
#[inline(always)]
fn own(inode: Object) -> Option<Reason> {
    if inode.is_null() || !is_agent() {
        return None;
    }
    let device: u32 = inode.follow(Field::InodeSuper).read(Field::SuperDevice)?;
    let key = FileKey { device: device.into(), inode: inode.read(Field::InodeNumber)? };
    // SAFETY: only asked whether it is there.
    unsafe { FILES.get(&key) }.map(|_| Reason::Tamper)
}

/// What changing this inode would be; `None` on any other file system.
///
/// # Safety
/// `inode` is one that the verifier knows as such.
#[inline(always)]
unsafe fn reason(inode: *const u8) -> Option<Reason> {
    // SAFETY: the caller's inode, and its file system.
    let magic = unsafe {
        let super_block: *const u8 = load(inode, Field::InodeSuper);
        load::<u64>(super_block, Field::SuperMagic)
    };
    match magic {
        CGROUP1 | CGROUP2 => Some(Reason::Escape),
        BPFFS => Some(Reason::Tamper),
        PROC if is_agent() => procfs::objection(Object::at(inode)),
        _ => None,
    }
}
