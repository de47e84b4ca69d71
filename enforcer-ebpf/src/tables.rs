//! [`PolicyTables`] over BPF maps.

use core::ffi::c_void;
use core::ptr::{addr_of, addr_of_mut, read_volatile};

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_loop;
use enforcer_common::{
    Address, AgentLimits, AgentState, BANKS, Cap, Charge, Control, Flow, Found, InterfaceKey, Line,
    Lines, Lookup, MAX_LENGTHS, MAX_PORT_RULES, NO_RULE, PolicyTables, PortList, PortRule, Reason,
};

use crate::atomic::Cell;
use crate::maps::{AGENTS, CONTROL, INTERFACES, PORT_RULES, PREFIXES, STATES};

/// The tables as they are in one generation, for the length of one program run.
pub(crate) struct KernelTables {
    pub(crate) control: Control,
}

// === impl KernelTables ===

impl KernelTables {
    /// `None` where `CONTROL` cannot be read, which denies.
    #[inline(always)]
    pub(crate) fn open() -> Option<Self> {
        let control = CONTROL.get_ptr(0)?;
        // SAFETY: a looked-up map value; volatile because the daemon writes it
        // while we run, and both halves of a decision must see one generation.
        Some(Self { control: unsafe { read_volatile(control) } })
    }
}

/// One agent's state; `None` denies.
#[inline(always)]
pub(crate) fn state(slot: u32) -> Option<*mut AgentState> {
    STATES.get_ptr_mut(slot)
}

/// The prefix table.
struct PrefixLines;

impl Lines for PrefixLines {
    type Line<'a> = &'a Line;

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        PREFIXES.get(index)
    }
}

/// One turn of a look-up; 1 ends it. As with `visit`.
unsafe extern "C" fn try_length(turn: u32, lookup: *mut Lookup) -> i64 {
    let over = enforcer_try_length(turn, lookup);
    // Volatile: the compiler knows that it is 0 or 1, and the verifier does not.
    // SAFETY: a local variable.
    i64::from(unsafe { read_volatile(addr_of!(over)) } != 0)
}

/// A global function, verified once and by itself: whoever looks up would have it
/// verified again, on each path that leads there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_try_length(turn: u32, lookup: *mut Lookup) -> u32 {
    // SAFETY: bpf_loop's pointer, and the verifier checks that what it points to is as
    // large as its type.
    let Some(lookup) = (unsafe { lookup.as_mut() }) else { return 1 };
    u32::from(lookup.turn(&PrefixLines, turn))
}

/// A walk over a port list, between the turns of `bpf_loop`.
#[repr(C)]
struct Search {
    flow: Flow,
    first: u32,
    rule: u32,
    reason: Reason,
}

/// One turn; 1 ends the walk (kernel: `bpf_loop` in `kernel/bpf/bpf_iter.c`).
/// Verified once, and not once for each of the turns.
unsafe extern "C" fn visit(turn: u32, search: *mut Search) -> i64 {
    // SAFETY: bpf_loop hands back the pointer given to it.
    let search = unsafe { &mut *search };
    let Some(rule) = PORT_RULES.get(search.first.wrapping_add(turn)) else {
        search.reason = Reason::Internal;
        return 1;
    };
    if !rule.matches(&search.flow) {
        return 0;
    }
    search.reason = rule.reason();
    search.rule = rule.rule;
    1
}

impl PolicyTables for KernelTables {
    #[inline(always)]
    fn limits(&self, slot: u32) -> Option<&AgentLimits> {
        let entry = AGENTS.get(slot)?;
        if self.control.generation as usize % BANKS == 0 {
            Some(&entry.banks[0])
        } else {
            Some(&entry.banks[1])
        }
    }

    #[inline(always)]
    fn quarantined(&self, slot: u32) -> bool {
        let Some(state) = state(slot) else { return true };
        // SAFETY: a looked-up map value; volatile because other CPUs write it.
        unsafe { read_volatile(addr_of!((*state).quarantine)) != AgentState::FREE }
    }

    #[inline(always)]
    fn port_list(&self, limits: &AgentLimits, address: &Address) -> Option<PortList> {
        let (mut lookup, turns) = Lookup::begin(&PrefixLines, limits.prefixes, address)?;
        let turns = if turns < MAX_LENGTHS { turns } else { MAX_LENGTHS };
        // SAFETY: `try_length` has the signature that bpf_loop calls, and `lookup`
        // outlives the call.
        unsafe { bpf_loop(turns, try_length as *mut c_void, (&raw mut lookup).cast(), 0) };
        lookup.found()
    }

    #[inline(always)]
    fn port_rule(&self, index: u32) -> Option<PortRule> {
        PORT_RULES.get(index).copied()
    }

    #[inline(always)]
    fn first_match(&self, list: PortList, flow: &Flow) -> Found {
        let mut search =
            Search { flow: *flow, first: list.first, rule: NO_RULE, reason: Reason::NoPort };
        let count = if list.count < MAX_PORT_RULES { list.count } else { MAX_PORT_RULES };
        // SAFETY: `visit` has the signature that bpf_loop calls, and `search`
        // outlives the call.
        unsafe { bpf_loop(count, visit as *mut c_void, (&raw mut search).cast(), 0) };
        Found { reason: search.reason, rule: search.rule }
    }

    #[inline(always)]
    fn interface(&self, policy_id: u32, index: u32) -> bool {
        // SAFETY: only asked whether it is there.
        unsafe { INTERFACES.get(&InterfaceKey { policy_id, index }) }.is_some()
    }

    #[inline(always)]
    fn charge(&self, slot: u32, which: Charge, cap: &Cap, units: u64) -> bool {
        let Some(state) = state(slot) else { return false };
        // SAFETY: fields of a looked-up map value.
        let meter = unsafe {
            Cell::new(match which {
                Charge::Packets => addr_of_mut!((*state).packets_arrival),
                Charge::Bytes => addr_of_mut!((*state).bytes_arrival),
                Charge::Connections => addr_of_mut!((*state).connections_arrival),
            })
        };
        // SAFETY: no preconditions.
        cap.charge(&meter, unsafe { bpf_ktime_get_ns() }, units)
    }
}
