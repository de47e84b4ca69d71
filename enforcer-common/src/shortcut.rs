//! What an agent was allowed lately, so that the next packet to the same place
//! needs no look-up.

use crate::glance::FlowKey;

/// Destinations remembered for one agent on one CPU; a power of two.
pub const SHORTCUT_KEYS: usize = 4;

/// One agent's shortcut on one CPU. Valid only for the verdicts of `epoch`: a new
/// generation, a quarantine, or an interface that moves ends it at once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortcut {
    /// 1 while a program works on it. Another one that interrupts it there goes
    /// the long way: so plain loads and stores are enough.
    pub busy: u64,
    /// [`Control::verdicts`](crate::Control::verdicts) that it holds for.
    pub epoch: u64,
    /// Packets charged to the cap and not sent yet.
    pub packets_left: u64,
    /// Bytes charged to the cap and not sent yet.
    pub bytes_left: u64,
    /// Packets that passed this way, ever.
    pub packets: u64,
    /// Bytes at layer 3 that passed this way, ever.
    pub bytes: u64,
    /// Destinations that were remembered, ever: the next one takes the place of the
    /// oldest, which is the remainder of this.
    pub oldest: u64,
    /// Destinations; all zero is none.
    pub keys: [FlowKey; SHORTCUT_KEYS],
}
const _: () = assert!(SHORTCUT_KEYS.is_power_of_two());
kernel_abi!(Shortcut, size = 152, {
    busy: u64 = 0, epoch: u64 = 8, packets_left: u64 = 16, bytes_left: u64 = 24,
    packets: u64 = 32, bytes: u64 = 40, oldest: u64 = 48, keys: [FlowKey; SHORTCUT_KEYS] = 56,
});
