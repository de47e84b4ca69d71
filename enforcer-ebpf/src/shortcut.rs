//! The short way: an ordinary packet passes without the clock, without a helper but
//! the one that finds its socket's tag, and without a write that another CPU sees; and
//! where one to the same place was allowed lately, without a look-up.

use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

use aya_ebpf::programs::SkBuffContext;
use enforcer_common::{
    Cap, Charge, Control, DESTINATION, Flow, FlowKey, Linear, PolicyTables, SHORTCUT_KEYS, SOURCE,
    Shortcut, glance, is_allowed_by_rule,
};

use crate::identity;
use crate::maps::SHORTCUTS;
use crate::tables::KernelTables;

/// At most so much is charged to a cap ahead. A lease of bytes has room for
/// several of the largest GSO packets.
const PACKETS_AHEAD: u64 = 32;
const BYTES_AHEAD: u64 = 256 << 10;
/// What an agent without a cap has in hand.
const PLENTY: u64 = 1 << 62;

/// A packet's bytes that need no helper to read.
struct Direct {
    start: usize,
    end: usize,
}

// === impl Direct ===

impl Direct {
    #[inline(always)]
    fn at<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: within what `reaches` was asked about, or the verifier refuses the
        // program; as it does loads that are not aligned, where the machine would.
        unsafe { *((self.start + offset) as *const T) }
    }
}

impl Linear for Direct {
    #[inline(always)]
    fn reaches(&self, bytes: usize) -> bool {
        self.start + bytes <= self.end
    }

    #[inline(always)]
    fn byte(&self, offset: usize) -> u8 {
        self.at(offset)
    }

    #[inline(always)]
    fn half(&self, offset: usize) -> u16 {
        self.at(offset)
    }

    #[inline(always)]
    fn word(&self, offset: usize) -> u32 {
        self.at(offset)
    }

    #[inline(always)]
    fn double(&self, offset: usize) -> u64 {
        self.at(offset)
    }
}

/// An agent's shortcut on this CPU, held: nothing that interrupts this program
/// here uses it meanwhile. Every access is volatile, so that none is moved out
/// of the time for which it is held.
struct Held(*mut Shortcut);

/// Reads or writes a field of a [`Held`] shortcut.
macro_rules! field {
    ($held:expr, $field:ident) => {
        // SAFETY: a field of a looked-up map value.
        unsafe { read_volatile(addr_of!((*$held.0).$field)) }
    };
    ($held:expr, $field:ident = $value:expr) => {
        // SAFETY: a field of a looked-up map value.
        unsafe { write_volatile(addr_of_mut!((*$held.0).$field), $value) }
    };
}

// === impl Held ===

impl Held {
    /// `None` while somebody whom this program interrupted holds it.
    #[inline(always)]
    fn take(slot: u32) -> Option<Self> {
        let held = Self(SHORTCUTS.get_ptr_mut(slot)?);
        if field!(held, busy) != 0 {
            return None;
        }
        field!(held, busy = 1);
        Some(held)
    }

    #[inline(always)]
    fn give_back(self) {
        field!(self, busy = 0);
    }

    #[inline(always)]
    fn is_in_force(&self, control: &Control) -> bool {
        field!(self, epoch) == control.verdicts()
    }

    /// Forgets all but what has passed, and holds for the verdicts in force.
    #[inline(always)]
    fn begin(&self, control: &Control) {
        for index in 0..SHORTCUT_KEYS {
            self.put(index, &FlowKey::default());
        }
        field!(self, packets_left = 0);
        field!(self, bytes_left = 0);
        field!(self, epoch = control.verdicts());
    }

    /// The oldest makes room.
    #[inline(always)]
    fn add(&self, key: &FlowKey) {
        let oldest = field!(self, oldest);
        self.put(oldest as usize & (SHORTCUT_KEYS - 1), key);
        field!(self, oldest = oldest + 1);
    }

    #[inline(always)]
    fn put(&self, index: usize, key: &FlowKey) {
        // SAFETY: a field of a looked-up map value.
        unsafe { write_volatile(self.key(index), *key) }
    }

    #[inline(always)]
    fn key(&self, index: usize) -> *mut FlowKey {
        // SAFETY: every caller's index is within the array.
        unsafe { addr_of_mut!((*self.0).keys).cast::<FlowKey>().add(index) }
    }

    #[inline(always)]
    fn knows(&self, key: &FlowKey) -> bool {
        self.is(0, key) || self.is(1, key) || self.is(2, key) || self.is(3, key)
    }

    #[inline(always)]
    fn is(&self, index: usize, key: &FlowKey) -> bool {
        let known = self.key(index);
        // SAFETY: a field of a looked-up map value.
        unsafe {
            read_volatile(addr_of!((*known).low)) == key.low
                && read_volatile(addr_of!((*known).rest)) == key.rest
                && read_volatile(addr_of!((*known).high)) == key.high
        }
    }

    /// Charges the caps for the next packets, where what is left is less than this.
    #[inline(always)]
    fn top_up(&self, tables: &KernelTables, slot: u32, packets: u64, bytes: u64) {
        let Some(limits) = tables.limits(slot) else { return };
        let left = field!(self, packets_left);
        if left < packets {
            let ahead = charge_ahead(tables, slot, Charge::Packets, &limits.packets, PACKETS_AHEAD);
            field!(self, packets_left = left + ahead);
        }
        let left = field!(self, bytes_left);
        if left < bytes {
            let ahead = charge_ahead(tables, slot, Charge::Bytes, &limits.bytes, BYTES_AHEAD);
            field!(self, bytes_left = left + ahead);
        }
    }

    /// Takes the packet out of what was charged ahead.
    #[inline(always)]
    fn spend(&self, packets: u64, bytes: u64) -> bool {
        let (packets_left, bytes_left) = (field!(self, packets_left), field!(self, bytes_left));
        if packets_left < packets || bytes_left < bytes {
            return false;
        }
        field!(self, packets_left = packets_left - packets);
        field!(self, bytes_left = bytes_left - bytes);
        let (packets_before, bytes_before) = (field!(self, packets), field!(self, bytes));
        field!(self, packets = packets_before + packets);
        field!(self, bytes = bytes_before + bytes);
        true
    }
}

/// Whether the packet leaves for where one is allowed, of an agent that was allowed
/// one under the verdicts in force, and within what is charged ahead; it is counted
/// then. In force means not quarantined: each quarantine ends what was in force.
#[inline(always)]
pub(crate) fn leaves(ctx: &SkBuffContext, tables: &KernelTables) -> bool {
    let Some((held, slot, key)) = look::<DESTINATION>(ctx, &tables.control) else { return false };
    // SAFETY: fields of the context.
    let (segments, bytes) = unsafe { ((*ctx.skb.skb).gso_segs, (*ctx.skb.skb).len.into()) };
    let packets = if segments == 0 { 1 } else { u64::from(segments) };
    let known = held.knows(&key);
    let mut passes = held.is_in_force(&tables.control)
        && (known || is_allowed_by_rule(tables, slot, &key.flow()));
    if passes && !held.spend(packets, bytes) {
        held.top_up(tables, slot, packets, bytes);
        passes = held.spend(packets, bytes);
    }
    if passes && !known {
        held.add(&key);
    }
    held.give_back();
    passes
}

/// Whether the packet comes from where the agent was allowed to send to lately.
#[inline(always)]
pub(crate) fn arrives(ctx: &SkBuffContext, control: &Control) -> bool {
    let Some((held, _, key)) = look::<SOURCE>(ctx, control) else { return false };
    let passes = held.is_in_force(control) && held.knows(&key);
    held.give_back();
    passes
}

#[inline(always)]
fn look<const END: bool>(ctx: &SkBuffContext, control: &Control) -> Option<(Held, u32, FlowKey)> {
    // SAFETY: fields of the context.
    let (start, end, interface, sk) = unsafe {
        let skb = ctx.skb.skb;
        ((*skb).data, (*skb).data_end, (*skb).ifindex, (*skb).__bindgen_anon_2.sk)
    };
    let direct = Direct { start: start as usize, end: end as usize };
    let key = glance::<END>(&direct, interface)?;
    if sk.is_null() {
        return None;
    }
    // SAFETY: checked non-null.
    let slot = unsafe { identity::known(sk.cast(), control) }?;
    Some((Held::take(slot)?, slot, key))
}

/// Remembers that a flow is allowed, and charges the caps for its next packets.
#[inline(always)]
pub(crate) fn remember(tables: &KernelTables, slot: u32, flow: &Flow) {
    if !flow.protocol.has_ports() {
        return;
    }
    let Some(held) = Held::take(slot) else { return };
    if !held.is_in_force(&tables.control) {
        held.begin(&tables.control);
    }
    let key = FlowKey::of(flow);
    if !held.knows(&key) {
        held.add(&key);
    }
    held.top_up(tables, slot, flow.packets.into(), flow.bytes.into());
    held.give_back();
}

#[inline(always)]
fn charge_ahead(tables: &KernelTables, slot: u32, which: Charge, cap: &Cap, most: u64) -> u64 {
    if cap.is_none() {
        return PLENTY;
    }
    let units = cap.lease(most);
    if units != 0 && tables.charge(slot, which, cap, units) { units } else { 0 }
}
