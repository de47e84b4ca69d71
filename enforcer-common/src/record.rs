//! Bytes from the kernel. Decoded they are an *event*.

/// Bytes of a process name, the kernel's `TASK_COMM_LEN`.
pub const COMM_LEN: usize = 16;

/// [`Record::rule`] when no rule decided.
pub const NO_RULE: u32 = u32::MAX;

/// One decision as the kernel made it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// `CLOCK_MONOTONIC` at the decision.
    pub ktime_ns: u64,
    /// The agent's cgroup, or the maker's own where no policy names it.
    pub cgroup_id: u64,
    /// `SO_COOKIE` of the socket; 0 where there is none.
    pub socket_cookie: u64,
    /// Destination in network order, IPv4 as mapped; zero where unreadable.
    pub destination: [u8; 16],
    /// Name of the process, NUL-padded.
    pub comm: [u8; COMM_LEN],
    /// Thread group id; 0 where unknown.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// The agent's slot.
    pub slot: u32,
    /// Policy in whose rules `rule` is an index.
    pub policy_id: u32,
    /// Policy generation in force.
    pub generation: u32,
    /// The rule that decided, or [`NO_RULE`].
    pub rule: u32,
    /// Records of this agent and of the same kind (violations, refusals by a
    /// cap, all others) suppressed since its last one.
    pub suppressed: u32,
    /// Destination port, host order.
    pub port: u16,
    /// Protocol number; 0 where unreadable.
    pub protocol: u8,
    /// Code of a [`RecordKind`](crate::RecordKind).
    pub kind: u8,
    /// Code of a [`Hook`](crate::Hook).
    pub hook: u8,
    /// Code of a [`Reason`](crate::Reason).
    pub reason: u8,
    /// Unused, zero.
    pub reserved: [u8; 2],
    /// What a refused call was about: [`option_detail`], [`device_detail`], or 0.
    pub detail: u32,
}
kernel_abi!(Record, size = 96, {
    ktime_ns: u64 = 0, cgroup_id: u64 = 8, socket_cookie: u64 = 16,
    destination: [u8; 16] = 24, comm: [u8; COMM_LEN] = 40, pid: u32 = 56, uid: u32 = 60,
    slot: u32 = 64, policy_id: u32 = 68, generation: u32 = 72, rule: u32 = 76,
    suppressed: u32 = 80, port: u16 = 84, protocol: u8 = 86, kind: u8 = 87, hook: u8 = 88,
    reason: u8 = 89, reserved: [u8; 2] = 90, detail: u32 = 92,
});

/// [`Record::detail`] of a socket option: level and name, as `setsockopt(2)`
/// has them; both fit into 16 bits.
#[inline(always)]
pub const fn option_detail(level: u32, name: u32) -> u32 {
    level << 16 | name & 0xffff
}

/// [`Record::detail`] of a device: major and minor number (the kernel's
/// `dev_t`: 12 and 20 bits).
#[inline(always)]
pub const fn device_detail(major: u32, minor: u32) -> u32 {
    major << 20 | minor & 0xf_ffff
}

/// Bytes of a Unix socket's address (`sun_path` of unix(7)).
pub const UNIX_PATH: usize = 108;

/// A record with the Unix socket that was named.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixRecord {
    /// What was decided.
    pub record: Record,
    /// The address as the caller gave it, NUL-padded; an abstract one begins
    /// with a NUL.
    pub path: [u8; UNIX_PATH],
    /// Unused, zero.
    pub reserved: u32,
}
kernel_abi!(UnixRecord, size = 208, {
    record: Record = 0, path: [u8; UNIX_PATH] = 96, reserved: u32 = 204,
});

impl Record {
    /// Size in bytes.
    pub const SIZE: usize = size_of::<Self>();

    /// Reads a record from the bytes of one ring entry; `None` unless the
    /// length is exactly [`Record::SIZE`]. Codes are not checked here.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::SIZE] = bytes.try_into().ok()?;
        // SAFETY: `kernel_abi!` proves integers without padding, for which
        // every bit pattern is a value; the length was just checked, and the
        // read does not need alignment.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}
