//! Keys and values of the maps. Integers are in host order, addresses in
//! network order; each map says at its definition who writes and reads it.

use crate::cap::Cap;
use crate::record::{COMM_LEN, UNIX_PATH};
use crate::tripwire::{Stamps, Tripwire};
use crate::vocabulary::Reason;

/// Slot of the flows that belong to no agent; never given to one.
pub const SLOT_UNBOUND: u32 = 0;
/// Policy generations kept side by side, so that a new one appears in one step.
pub const BANKS: usize = 2;
/// Bytes of an agent's name in the `NAMES` map, NUL-padded.
pub const NAME_LEN: usize = 64;
/// Rules looked at for one address; a policy that needs more is refused.
pub const MAX_PORT_RULES: u32 = 64;
/// How many levels below the enforced root an agent's cgroup may be.
pub const MAX_DEPTH: u32 = 8;
/// Counters an agent has: each reason, enforced and (audit mode) only reported.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen reasons")]
pub const OUTCOMES: u32 = 2 * Reason::COUNT as u32;

/// Index of a counter within an agent's [`OUTCOMES`].
#[inline(always)]
pub const fn outcome(reason: Reason, audited: bool) -> u32 {
    reason as u32 + if audited { OUTCOMES / 2 } else { 0 }
}

/// What every program reads first. One entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// [`crate::ABI_VERSION`] of the programs that own the pins.
    pub abi: u32,
    /// Policy generation in force; its lowest bit selects the bank.
    pub generation: u32,
    /// Moves when a cgroup's agent changes; older socket tags are resolved anew.
    pub binding_epoch: u32,
    /// Depth of the enforced root (the cgroup2 mount is 0).
    pub root_level: u32,
    /// How many rounds of destroying sockets are under way. While it is not
    /// zero, [`bare_reset`](crate::bare_reset) packets pass.
    pub resets: u32,
    /// Moves when something other than a new generation takes an allowance away:
    /// a quarantine, or an interface that has another number now. Written after
    /// the fact that it stands for.
    pub revocations: u32,
}
kernel_abi!(Control, size = 24, {
    abi: u32 = 0, generation: u32 = 4, binding_epoch: u32 = 8, root_level: u32 = 12,
    resets: u32 = 16, revocations: u32 = 20,
});

impl Control {
    /// Names the verdicts in force: one that was found under another number
    /// is not to be used again.
    #[inline(always)]
    pub const fn verdicts(&self) -> u64 {
        (self.generation as u64) << 32 | self.revocations as u64
    }
}

/// One agent's policy in one generation. All zero: no policy, so deny.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentLimits {
    /// Tells policies, also of several generations, apart; 0 means no policy.
    pub policy_id: u32,
    /// [`AgentLimits::AUDIT`] and [`AgentLimits::INTERFACES`], or 0.
    pub flags: u32,
    /// Violations that trip the wire, at most `TRIPWIRE_MAX`; 0 never.
    pub tripwire_count: u32,
    /// First line of the policy's run in the prefix table.
    pub prefixes: u32,
    /// Width of the tripwire's window.
    pub tripwire_window_ns: u64,
    /// Packets as the wire sees them.
    pub packets: Cap,
    /// Bytes at layer 3.
    pub bytes: Cap,
    /// TCP `connect(2)` calls.
    pub connections: Cap,
    /// Records sent to the daemon; more are counted as suppressed.
    pub records: Cap,
    /// Unused, zero.
    pub reserved2: u64,
}
kernel_abi!(AgentLimits, size = 128, {
    policy_id: u32 = 0, flags: u32 = 4, tripwire_count: u32 = 8, prefixes: u32 = 12,
    tripwire_window_ns: u64 = 16, packets: Cap = 24, bytes: Cap = 48,
    connections: Cap = 72, records: Cap = 96, reserved2: u64 = 120,
});

impl AgentLimits {
    /// `mode = "audit"`: judge and report, never drop.
    pub const AUDIT: u32 = 1;
    /// Packets leave only by the interfaces that `INTERFACES` has for the policy.
    pub const INTERFACES: u32 = 2;

    /// Whether the agent is only observed.
    #[inline(always)]
    pub const fn is_audit(&self) -> bool {
        self.flags & Self::AUDIT != 0
    }

    /// Whether the policy names the interfaces that packets may leave by.
    #[inline(always)]
    pub const fn names_interfaces(&self) -> bool {
        self.flags & Self::INTERFACES != 0
    }

    /// The agent's threshold.
    #[inline(always)]
    pub const fn tripwire(&self) -> Tripwire {
        Tripwire { count: self.tripwire_count, window_ns: self.tripwire_window_ns }
    }
}

/// An agent's policy, old and new generation side by side.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentEntry {
    /// Indexed by `generation & 1`.
    pub banks: [AgentLimits; BANKS],
}
kernel_abi!(AgentEntry, size = 256, { banks: [AgentLimits; BANKS] = 0 });

/// What an agent has done so far. Survives reloads and daemon restarts.
/// Every field is read and written as one atomic 64-bit cell.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// [`AgentState::FREE`], [`AgentState::BY_TRIPWIRE`] or
    /// [`AgentState::BY_DAEMON`]. Anything but `FREE` denies.
    pub quarantine: u64,
    /// When it was set, `CLOCK_MONOTONIC`.
    pub quarantined_at_ns: u64,
    /// GCRA arrival time of the packets cap, in ticks.
    pub packets_arrival: u64,
    /// GCRA arrival time of the bytes cap, in ticks.
    pub bytes_arrival: u64,
    /// GCRA arrival time of the connections cap, in ticks.
    pub connections_arrival: u64,
    /// GCRA arrival time of the record budget, in ticks.
    pub records_arrival: u64,
    /// Violations suppressed since the last one that was sent.
    pub suppressed_violations: u64,
    /// Violations noted, ever: the next one's number.
    pub violations: u64,
    /// Violations below this number are forgiven.
    pub forgiven: u64,
    /// Refusals by a cap suppressed since the last one that was sent.
    pub suppressed_refusals: u64,
    /// Other records suppressed since the last of them that was sent.
    pub suppressed_others: u64,
    /// Unused, zero.
    pub reserved: [u64; 5],
    /// The tripwire's ring.
    pub stamps: Stamps,
}
kernel_abi!(AgentState, size = 1152, {
    quarantine: u64 = 0, quarantined_at_ns: u64 = 8, packets_arrival: u64 = 16,
    bytes_arrival: u64 = 24, connections_arrival: u64 = 32, records_arrival: u64 = 40,
    suppressed_violations: u64 = 48, violations: u64 = 56, forgiven: u64 = 64,
    suppressed_refusals: u64 = 72, suppressed_others: u64 = 80, reserved: [u64; 5] = 88,
    stamps: Stamps = 128,
});

impl AgentState {
    /// Not quarantined.
    pub const FREE: u64 = 0;
    /// Quarantined by the kernel, on its own.
    pub const BY_TRIPWIRE: u64 = 1;
    /// Quarantined by the daemon: an operator or a `[[respond]]` rule.
    pub const BY_DAEMON: u64 = 2;
}

/// Key of the interface table.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceKey {
    /// [`AgentLimits::policy_id`].
    pub policy_id: u32,
    /// Index of the interface in the daemon's network namespace.
    pub index: u32,
}
kernel_abi!(InterfaceKey, size = 8, { policy_id: u32 = 0, index: u32 = 4 });

/// A file, as the kernel tells it from all others.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    /// Of its file system, as the kernel has it (`MKDEV` of `include/linux/kdev_t.h`).
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}
kernel_abi!(FileKey, size = 16, { device: u64 = 0, inode: u64 = 8 });

impl FileKey {
    /// From the halves of a device number.
    pub const fn new((major, minor): (u32, u32), inode: u64) -> Self {
        Self { device: ((major as u64) << 20) | minor as u64, inode }
    }
}

/// Key of the table of Unix sockets that a policy names: the policy, then the
/// address. A whole address ends with a NUL that counts; a folder with its `/`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnixKey {
    /// [`AgentLimits::policy_id`], host order: always matched whole.
    pub policy_id: u32,
    /// The address, NUL-padded.
    pub path: [u8; UNIX_PATH],
}
kernel_abi!(UnixKey, size = 112, { policy_id: u32 = 0, path: [u8; UNIX_PATH] = 4 });

impl UnixKey {
    /// Bits of a whole key: the policy and [`UNIX_PATH`] bytes.
    pub const BITS: u32 = 32 + 8 * 108;
}

/// Whether a component of the address of a Unix socket is `..`, which would lead
/// out of a folder that a policy names.
#[inline(always)]
pub fn climbs(path: &[u8; UNIX_PATH]) -> bool {
    // The last four bytes are all that the loop carries along, and it leaves at
    // once: the verifier follows every mix of flags through all of the turns.
    let mut last = u32::from(b'/');
    for &byte in path {
        last = last << 8 | u32::from(byte);
        if last == u32::from_be_bytes(*b"/../") || last == u32::from_be_bytes(*b"/..\0") {
            return true;
        }
    }
    last & 0x00ff_ffff == u32::from_be_bytes(*b"\0/..")
}

/// Which port rules hold for a prefix: `count` of them from `first` on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortList {
    /// Index of the first.
    pub first: u32,
    /// How many, at most [`MAX_PORT_RULES`].
    pub count: u32,
}
kernel_abi!(PortList, size = 8, { first: u32 = 0, count: u32 = 4 });

/// One protocol and port range. In a list the first match decides: denies
/// stand first, then allows by descending prefix length.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortRule {
    /// Rule that this line comes from, for `explain` and events.
    pub rule: u32,
    /// Lowest port, host order.
    pub low: u16,
    /// Highest port, host order, included.
    pub high: u16,
    /// Protocol number; 0 matches every protocol.
    pub protocol: u8,
    /// 1 allows, anything else denies.
    pub allow: u8,
    /// Unused, zero.
    pub reserved: u16,
}
kernel_abi!(PortRule, size = 12, {
    rule: u32 = 0, low: u16 = 4, high: u16 = 6, protocol: u8 = 8, allow: u8 = 9, reserved: u16 = 10,
});

/// Who made a socket: written once per socket, read for every packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketTag {
    /// The agent's slot, or [`SLOT_UNBOUND`].
    pub slot: u32,
    /// [`Control::binding_epoch`] for which `slot` holds.
    pub binding_epoch: u32,
    /// Maker's thread group id; 0 where unknown.
    pub pid: u32,
    /// Maker's uid.
    pub uid: u32,
    /// The cgroup below the root that the slot was found by, or the maker's own.
    pub cgroup_id: u64,
    /// Maker's name, NUL-padded.
    pub comm: [u8; COMM_LEN],
}
kernel_abi!(SocketTag, size = 40, {
    slot: u32 = 0, binding_epoch: u32 = 4, pid: u32 = 8, uid: u32 = 12,
    cgroup_id: u64 = 16, comm: [u8; COMM_LEN] = 24,
});

/// One CPU's share of a counter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets judged at egress, and datagrams refused before they became one.
    pub packets: u64,
    /// Bytes at layer 3 of the packets judged at egress.
    pub bytes: u64,
    /// TCP and UDP `connect(2)` calls judged.
    pub connections: u64,
    /// Calls refused that name no destination: sockets made, options set,
    /// devices opened, settings written, Unix sockets connected to.
    pub sockets: u64,
}
kernel_abi!(Counter, size = 32, {
    packets: u64 = 0, bytes: u64 = 8, connections: u64 = 16, sockets: u64 = 24,
});

/// One CPU's share of what became of an agent's records.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordStats {
    /// Put into the ring.
    pub sent: u64,
    /// Not sent because the agent's budget was spent.
    pub suppressed: u64,
    /// Not sent because the ring was full.
    pub lost: u64,
}
kernel_abi!(RecordStats, size = 24, { sent: u64 = 0, suppressed: u64 = 8, lost: u64 = 16 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_climbs_when_a_component_is_two_dots() {
        for (path, wanted) in [
            ("/run/a/../b", true),
            ("../b", true),
            ("/run/..", true),
            ("/..", true),
            ("/run/..b/...", false),
            ("/run/b../a.", false),
            ("/run/./b", false),
            ("", false),
        ] {
            let mut padded = [0; UNIX_PATH];
            padded[..path.len()].copy_from_slice(path.as_bytes());
            assert_eq!(climbs(&padded), wanted, "{path}");
        }
    }
}
