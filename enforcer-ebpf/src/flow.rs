//! From a hook's context to a flow.

use core::ptr::{addr_of, read_volatile};

use aya_ebpf::programs::{SkBuffContext, SockAddrContext};
use enforcer_common::{Address, Flow, Packet, Protocol, join};

/// An skb from its network header on, where `cgroup_skb` programs see it.
pub(crate) struct Skb<'a>(pub(crate) &'a SkBuffContext);

impl Packet for Skb<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.0.load::<[u8; N]>(offset as usize).ok()
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        // SAFETY: a field of the context; 0 where the packet is not GSO.
        let segments = unsafe { (*self.0.skb.skb).gso_segs };
        if segments == 0 { 1 } else { segments }
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: a field of the context.
        unsafe { (*self.0.skb.skb).ifindex }
    }
}

/// Reads one field of the context. Volatile: the verifier allows loads of
/// exactly the field's size, which the compiler must not merge.
macro_rules! field {
    ($ctx:expr, $field:ident) => {
        // SAFETY: the context pointer is valid for the whole program run.
        unsafe { read_volatile(addr_of!((*$ctx.sock_addr).$field)) }
    };
}

/// The IPv4 destination of a socket call.
#[inline(always)]
pub(crate) fn of_call_v4(ctx: &SockAddrContext) -> Flow {
    of_call(ctx, Address::v4(field!(ctx, user_ip4).to_ne_bytes()))
}

/// The IPv6 destination of a socket call; v4-mapped comes as it is.
#[inline(always)]
pub(crate) fn of_call_v6(ctx: &SockAddrContext) -> Flow {
    let [a, b, c, d]: [u32; 4] = field!(ctx, user_ip6);
    of_call(ctx, Address::of_words([join(a, b), join(c, d)]))
}

#[inline(always)]
fn of_call(ctx: &SockAddrContext, destination: Address) -> Flow {
    // Protocols above 255 (MPTCP is 262) are refused when the socket is made.
    let protocol = Protocol(field!(ctx, protocol) as u8);
    let port = if protocol.has_ports() { u16::from_be(field!(ctx, user_port) as u16) } else { 0 };
    Flow::of_call(destination, port, protocol)
}
