//! Unix sockets by address, on kernels that ask cgroup programs (6.7 or newer).
//! Whose socket it is cannot be seen here, so only named addresses pass.
//!
//! The section says `connect4` because the loader's library knows no other
//! name; the daemon loads the program for `connect_unix` and `sendmsg_unix`.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_ktime_get_ns, bpf_probe_read_kernel};
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::programs::SockAddrContext;
use core::ffi::c_void;
use enforcer_common::{
    Decision, Field, Hook, RecordKind, SocketTag, UNIX_PATH, UnixKey, climbs, decide_unix,
};

use crate::due::{due, fine};
use crate::fields::Object;
use crate::guard::current;
use crate::identity;
use crate::maps::UNIX_PATHS;
use crate::report;
use crate::tables::KernelTables;

/// Offsets in `struct bpf_sock_addr_kern` (`include/linux/filter.h`), which the
/// context pointer really is: since these hooks exist its shape is the same.
/// Were it another, nothing sensible would be read, and no address would match.
const ADDRESS: usize = 8;
const ADDRESS_LEN: usize = 32;
/// `sun_family` stands in front of the path.
const FAMILY: usize = 2;

/// `connect(2)` to a Unix socket.
#[cgroup_sock_addr(connect4)]
pub(crate) fn connect_unix(ctx: SockAddrContext) -> i32 {
    judge(Hook::ConnectUnix, &ctx)
}

/// A datagram to a Unix socket.
#[cgroup_sock_addr(connect4)]
pub(crate) fn sendmsg_unix(ctx: SockAddrContext) -> i32 {
    judge(Hook::SendmsgUnix, &ctx)
}

#[inline(always)]
fn judge(hook: Hook, ctx: &SockAddrContext) -> i32 {
    let Some(tables) = KernelTables::open() else { return 0 };
    let tag = current(&tables);
    let mut key = Key::new(UnixKey::BITS, UnixKey { policy_id: 0, path: [0; UNIX_PATH] });
    read_path(ctx, &mut key.data.path);
    let decision = decide_unix(&tables, tag.slot, |policy_id| {
        key.data.policy_id = policy_id;
        is_plain(&key.data.path) && UNIX_PATHS.get(&key).is_some()
    });
    report::tally(hook, tag.slot, &enforcer_common::Flow::UNREADABLE, &decision);
    if let Some((kind, _)) = due(hook, tag.slot, &decision, fine) {
        tell(kind, hook, &tables, &tag, &decision, &key.data.path);
    }
    decision.verdict.cgroup_return()
}

/// Whether a path leads where the policy's author thought. An abstract name has no
/// folders to lead elsewhere.
#[inline(always)]
fn is_plain(path: &[u8; UNIX_PATH]) -> bool {
    path[0] == 0 || (!climbs(path) && sees_the_hosts_paths())
}

/// Whether `/` is what it is to the first process around, and the mounts below it
/// are not the agent's to change: in a user namespace of its own everybody mounts
/// and changes the root.
#[inline(always)]
fn sees_the_hosts_paths() -> bool {
    // SAFETY: no preconditions.
    let task = Object::of_address(unsafe { bpf_get_current_task() });
    let spaces = task.follow(Field::TaskSpaces);
    let mounts = spaces.follow(Field::SpacesMounts);
    let (root, first) =
        (root(task), root(spaces.follow(Field::SpacesPids).follow(Field::PidsReaper)));
    is_first(task.follow(Field::TaskCred).follow(Field::CredSpace))
        && is_first(mounts.follow(Field::MountsOwner))
        && !root.is_null()
        && root == first
}

#[inline(always)]
fn root(task: Object) -> Object {
    task.follow(Field::TaskFs).follow(Field::FsRoot)
}

/// Whether a user namespace is the one that all others are in.
#[inline(always)]
fn is_first(space: Object) -> bool {
    space.read::<i32>(Field::SpaceLevel) == Some(0)
}

/// What cannot be read stays zero, which no policy names.
#[inline(always)]
fn read_path(ctx: &SockAddrContext, into: &mut [u8; UNIX_PATH]) {
    let mut address: u64 = 0;
    let mut len: u32 = 0;
    // SAFETY: reads kernel memory behind the context into locals of the sizes
    // given; the helper checks the addresses.
    unsafe {
        let kernel = ctx.as_ptr().cast::<u8>();
        bpf_probe_read_kernel((&raw mut address).cast(), 8, kernel.add(ADDRESS).cast());
        bpf_probe_read_kernel((&raw mut len).cast(), 4, kernel.add(ADDRESS_LEN).cast());
    }
    if len <= FAMILY as u32 || len > (FAMILY + UNIX_PATH) as u32 {
        return;
    }
    let path = (address + FAMILY as u64) as *const c_void;
    // SAFETY: at most `UNIX_PATH` bytes into an array of that size.
    unsafe { bpf_probe_read_kernel(into.as_mut_ptr().cast(), len - FAMILY as u32, path) };
}

#[inline(always)]
fn tell(
    kind: RecordKind,
    hook: Hook,
    tables: &KernelTables,
    tag: &SocketTag,
    decision: &Decision,
    path: &[u8; UNIX_PATH],
) {
    let mut record = report::record(kind, hook, tag.slot, &tables.control, decision);
    record.cgroup_id = tag.cgroup_id;
    // SAFETY: no preconditions.
    record.ktime_ns = unsafe { bpf_ktime_get_ns() };
    identity::describe_current(&mut record);
    report::send_unix(&mut record, tables, path);
}
