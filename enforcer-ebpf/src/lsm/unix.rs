//! Deputies: processes outside that would act for whoever reaches them over a
//! Unix socket. Whose the other end is decides, and not its name; names that
//! the policy lists are let through.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::lsm;
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::programs::LsmContext;
use enforcer_common::{Field, Hook, PolicyTables, Reason, UNIX_PATH, UnixKey};

use super::caller::{is_agent, refuse};
use super::peer::is_own;
use crate::fields::Object;
use crate::guard::current;
use crate::maps::UNIX_PATHS;
use crate::tables::KernelTables;

/// `sun_family` stands in front of the path.
const FAMILY: u32 = 2;

/// `connect(2)` to a listener.
#[lsm(hook = "unix_stream_connect")]
pub(crate) fn lsm_unix_stream(ctx: LsmContext) -> i32 {
    if !is_agent() || is_permitted(Object::at(ctx.arg(1))) {
        return 0;
    }
    refuse(Hook::UnixStreamConnect, Reason::UnixPeer)
}

/// A datagram, or the `connect(2)` of a datagram socket.
#[lsm(hook = "unix_may_send")]
pub(crate) fn lsm_unix_dgram(ctx: LsmContext) -> i32 {
    if !is_agent() || is_permitted(Object::at(ctx.arg(1)).follow(Field::SocketSock)) {
        return 0;
    }
    refuse(Hook::UnixMaySend, Reason::UnixPeer)
}

/// Whether a socket is connected to somebody outside whom the policy does not
/// name: inherited, received, or an answer to one who connected from there. The
/// name is the listener's, whichever end that is.
#[inline(always)]
pub(super) fn is_deputy(sk: Object) -> bool {
    let peer = sk.follow(Field::UnixPeer);
    !peer.is_null() && !is_permitted(peer) && !is_named(sk)
}

#[inline(always)]
fn is_permitted(peer: Object) -> bool {
    is_own(peer.follow(Field::SockCgroup)) || is_named(peer)
}

#[inline(always)]
fn is_named(sk: Object) -> bool {
    let address = sk.follow(Field::UnixAddress);
    !address.is_null() && enforcer_is_named(address.address()) != 0
}

/// A global function: the address needs room on the stack. A quarantined agent
/// keeps no name. The address is the one that the listener gave, and nothing in
/// it is the caller's: there is no `..` to look for.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_is_named(address: u64) -> u32 {
    let Some(tables) = KernelTables::open() else { return 0 };
    let slot = current(&tables).slot;
    let policy_id = tables.limits(slot).map_or(0, |limits| limits.policy_id);
    if policy_id == 0 || tables.quarantined(slot) {
        return 0;
    }
    let mut key = Key::new(UnixKey::BITS, UnixKey { policy_id, path: [0; UNIX_PATH] });
    read_path(Object::of_address(address), &mut key.data.path);
    u32::from(UNIX_PATHS.get(&key).is_some())
}

/// What cannot be read stays zero, which no policy names.
#[inline(always)]
fn read_path(address: Object, into: &mut [u8; UNIX_PATH]) {
    let len = address.read::<u32>(Field::UnixAddressLen).unwrap_or(0);
    if len <= FAMILY || len > FAMILY + UNIX_PATH as u32 {
        return;
    }
    let path = address.field(Field::UnixAddressName).wrapping_add(FAMILY as usize);
    // SAFETY: at most `UNIX_PATH` bytes into an array of that size.
    unsafe { bpf_probe_read_kernel(into.as_mut_ptr().cast(), len - FAMILY, path.cast()) };
}
