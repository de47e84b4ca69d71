//! Every map: who writes it, who reads it, what full means. Sizes are the
//! defaults; the loader sets those that depend on `[capacity]`.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf};
use enforcer_common::{
    AgentEntry, AgentState, Control, Counter, FileKey, InterfaceKey, Line, NAME_LEN, OUTCOMES,
    PortRule, RecordStats, Shortcut, SocketTag, UnixKey,
};

/// Lets the daemon read and write single cells without a system call, so that a
/// field is never overwritten together with its neighbours.
const MMAPABLE: u32 = 1 << 10;
const AGENT_SLOTS: u32 = 1024;

/// Generation and binding epoch. Writer: the daemon, a field at a time. Reader:
/// every program. One entry, never full.
#[map]
pub(crate) static CONTROL: Array<Control> = Array::with_max_entries(1, MMAPABLE);

/// Policies by slot, two generations side by side. Writer: the daemon, only
/// the bank that is not in force. Reader: every program. Full: the plan is
/// refused.
#[map]
pub(crate) static AGENTS: Array<AgentEntry> = Array::with_max_entries(AGENT_SLOTS, MMAPABLE);

/// Quarantine, caps and tripwire by slot. Writers: every program; the daemon
/// sets and clears quarantine. Readers: both. Preallocated, so a quarantine
/// can never fail for want of space.
#[map]
pub(crate) static STATES: Array<AgentState> = Array::with_max_entries(AGENT_SLOTS, MMAPABLE);

/// Agents' names by slot. Writer and reader: the daemon and `explain`, which
/// find in it who owns a slot when they start.
#[map]
pub(crate) static NAMES: Array<[u8; NAME_LEN]> = Array::with_max_entries(AGENT_SLOTS, MMAPABLE);

/// Agents' cgroups by id. Writer: the daemon. Reader: `identity`. Full or
/// missing: the cgroup is unassigned, so denied.
#[map]
pub(crate) static CGROUPS: HashMap<u64, u32> = HashMap::with_max_entries(16_384, 0);

/// Prefixes of all policies, each policy's in a run of lines. Writer: the daemon,
/// only where no policy in force points. Reader: `tables`. Full: the plan is
/// refused; what is missing is denied.
#[map]
pub(crate) static PREFIXES: Array<Line> = Array::with_max_entries(65_536, MMAPABLE);

/// Port rules of all agents, in runs. Writer: the daemon, only where no policy
/// in force points. Reader: `tables`. Full: the plan is refused.
#[map]
pub(crate) static PORT_RULES: Array<PortRule> = Array::with_max_entries(131_072, MMAPABLE);

/// Interfaces that packets may leave by, of policies that name any. Writer: the
/// daemon. Reader: `tables`. Full: the plan is refused; what is missing is denied.
#[map]
pub(crate) static INTERFACES: HashMap<InterfaceKey, u32> = HashMap::with_max_entries(8192, 0);

/// Unix sockets, and folders of them, that policies name. Writer: the daemon.
/// Reader: `unix`. Full: the plan is refused; what is missing is denied.
#[map]
pub(crate) static UNIX_PATHS: LpmTrie<UnixKey, u32> = LpmTrie::with_max_entries(8192, 0);

/// The enforcer's own files and folders. Writer: the daemon. Reader: `lsm`. Full:
/// those that are left out can be written to by agents that are root, and the
/// daemon says so.
#[map]
pub(crate) static FILES: HashMap<FileKey, u32> =
    HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// Counters, [`OUTCOMES`] a slot. Writer: `report`. Reader: the daemon, which
/// sums the CPUs. Preallocated.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counter> =
    PerCpuArray::with_max_entries(AGENT_SLOTS * OUTCOMES, 0);

/// What each agent was allowed lately, by slot. Writer: `shortcut`. Readers: it,
/// and the daemon for what passed that way. Preallocated.
#[map]
pub(crate) static SHORTCUTS: PerCpuArray<Shortcut> = PerCpuArray::with_max_entries(AGENT_SLOTS, 0);

/// What became of each slot's records. Writer: `report`. Reader: the daemon.
#[map]
pub(crate) static RECORD_STATS: PerCpuArray<RecordStats> =
    PerCpuArray::with_max_entries(AGENT_SLOTS, 0);

/// Who made a socket. Writer: `identity`, once per socket. Reader: every
/// program. No memory: the socket is resolved anew for each packet.
#[btf_map]
pub(crate) static SOCKETS: SkStorage<SocketTag> = SkStorage::new();

/// Decisions on their way to the daemon. Writer: `report`. Reader: the daemon.
/// Full: the verdict stands, [`RecordStats::lost`] counts it.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Quarantines on their way to the daemon, apart so that a flood of denials
/// cannot crowd them out. Writer: `report`. Reader: the daemon, which also
/// polls `STATES`: a full ring loses the message, not the fact.
#[map]
pub(crate) static ALARMS: RingBuf = RingBuf::with_byte_size(1 << 16, 0);
