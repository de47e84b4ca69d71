//! An empty program, a filter of the shape that systemd compiles for
//! `IPAddressAllow=`, and a sink at the far end of the wire.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::{TC_ACT_OK, TC_ACT_SHOT};
use aya_ebpf::macros::{cgroup_skb, classifier, map};
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::maps::{Array, LpmTrie};
use aya_ebpf::programs::{SkBuffContext, TcContext};

/// `ETH_P_IP` and `ETH_P_IPV6` as `__sk_buff::protocol` has them.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;
/// Where the destination is, from the network header on (RFC 791, RFC 8200).
const V4_DESTINATION: usize = 16;
const V6_DESTINATION: usize = 24;
/// Where the transport protocol is, behind an Ethernet header.
const V4_PROTOCOL: usize = 14 + 9;
const V6_PROTOCOL: usize = 14 + 6;
const UDP: u8 = 17;
const NO_PREALLOC: u32 = 1;

/// What calling any program costs: it permits.
#[cgroup_skb(egress)]
pub(crate) fn empty(_: SkBuffContext) -> i32 {
    1
}

/// `IPAddressAllow=`, a trie a family. Writer: the bench, which sets the size too.
#[map]
static ALLOW4: LpmTrie<[u8; 4], u64> = LpmTrie::with_max_entries(16, NO_PREALLOC);
#[map]
static ALLOW6: LpmTrie<[u8; 16], u64> = LpmTrie::with_max_entries(16, NO_PREALLOC);

/// `IPAccounting=`: packets, then bytes.
#[map]
static ACCOUNT: Array<u64> = Array::with_max_entries(2, 0);

/// `IPAddressDeny=any` with a list of exceptions, as systemd compiles it: the
/// destination is looked up in the trie of its family, "any" is a constant and
/// needs no look-up, and what passes is counted by two atomic additions.
#[cgroup_skb(egress)]
pub(crate) fn sieve(ctx: SkBuffContext) -> i32 {
    if !is_listed(&ctx) {
        return 0;
    }
    add(0, 1);
    add(1, u64::from(ctx.len()));
    1
}

#[inline(always)]
fn is_listed(ctx: &SkBuffContext) -> bool {
    match ctx.skb.protocol() {
        IPV4 => match ctx.load(V4_DESTINATION) {
            Ok(address) => ALLOW4.get(Key::new(32, address)).is_some(),
            Err(_) => false,
        },
        IPV6 => match ctx.load(V6_DESTINATION) {
            Ok(address) => ALLOW6.get(Key::new(128, address)).is_some(),
            Err(_) => false,
        },
        _ => false,
    }
}

#[inline(always)]
fn add(index: u32, value: u64) {
    if let Some(cell) = ACCOUNT.get_ptr_mut(index) {
        // SAFETY: a looked-up map value, alive for the whole run.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(cell, value) };
    }
}

/// Drops UDP as soon as it has crossed the wire, so that no receiver is part of
/// what is measured; TCP passes.
#[classifier]
pub(crate) fn sink(ctx: TcContext) -> i32 {
    // SAFETY: a field of the context.
    let protocol = match unsafe { (*ctx.skb.skb).protocol } {
        IPV4 => ctx.load(V4_PROTOCOL),
        IPV6 => ctx.load(V6_PROTOCOL),
        _ => Ok(0),
    };
    if protocol == Ok(UDP) { TC_ACT_SHOT } else { TC_ACT_OK }
}
