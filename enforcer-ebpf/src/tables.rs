//! [`PolicyTables`] over BPF maps.

use core::ffi::c_void;
use core::ptr::{addr_of, addr_of_mut, read_volatile};

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_loop;
use enforcer_common::{
    Address, AgentLimits, AgentState, Area, BANKS, Cap, Charge, Control, Flow, Found, InterfaceKey,
    Kind, Line, Lines, MAX_PORT_RULES, NO_RULE, PROBES, PolicyTables, PortList, PortRule, Reason,
    Step, find, probe, step,
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

    #[inline(always)]
    fn probe(&self, area: Area, address: &Address, end: u64) -> Option<u64> {
        let tag = enforcer_probe(address, area.kind as u32, end, area.from, area.lines);
        // SAFETY: a local variable; volatile because the verifier does not know that a
        // global function returns what the compiler saw it return. As below.
        let tag = unsafe { read_volatile(addr_of!(tag)) };
        if tag == NO_LINE { None } else { Some(tag) }
    }

    #[inline(always)]
    fn find_further(&self, area: Area, address: &Address, end: u64) -> Option<u64> {
        let mut search = Search { address: *address, end, area, tag: 0 };
        // SAFETY: `search_line` has the signature that bpf_loop calls, and `search`
        // outlives the call.
        unsafe {
            bpf_loop(PROBES - 1, search_line as *mut c_void, (&raw mut search).cast(), 0);
        }
        if search.tag == NO_LINE { None } else { Some(search.tag) }
    }
}

/// A prefix that is not in its own line, on its way through the others.
#[repr(C)]
struct Search {
    address: Address,
    end: u64,
    area: Area,
    tag: u64,
}

/// One turn; 1 ends the search (kernel: `bpf_loop` in `kernel/bpf/bpf_iter.c`).
/// Verified once, and not once for each of the turns; it is slower, and rarely needed.
unsafe extern "C" fn search_line(turn: u32, search: *mut Search) -> i64 {
    // SAFETY: bpf_loop hands back the pointer given to it.
    let search = unsafe { &mut *search };
    match step(&PrefixLines, search.area, &search.address, search.end, turn + 1) {
        Step::Over(found) => {
            search.tag = found.unwrap_or(NO_LINE);
            1
        }
        Step::Further => 0,
    }
}

/// The rules of a port list behind the first one, looked at in turn.
#[repr(C)]
struct Walk {
    flow: Flow,
    first: u32,
    found: u32,
}

/// One turn; as [`search_line`].
unsafe extern "C" fn try_rule(turn: u32, walk: *mut Walk) -> i64 {
    // SAFETY: bpf_loop hands back the pointer given to it.
    let walk = unsafe { &mut *walk };
    let index = walk.first.wrapping_add(turn).wrapping_add(1);
    if !is_match(index, &walk.flow) {
        return 0;
    }
    walk.found = index;
    1
}

/// Whether a rule matches; one that is not there does, for the caller to complain about.
#[inline(always)]
fn is_match(index: u32, flow: &Flow) -> bool {
    PORT_RULES.get(index).is_none_or(|rule| rule.matches(flow))
}

/// The port rules of the longest prefix around an address: where they begin in the
/// upper half, how many there are in the lower one, 0 where there is no such prefix.
///
/// A global function, like those below: verified once and by itself, where each path
/// that leads to it would have it verified again.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_find(address: *const Address, head: u32) -> u64 {
    // SAFETY: the only caller passes a reference; the verifier checks that what it
    // points to is as large as its type. As for those below.
    let Some(address) = (unsafe { address.as_ref() }) else { return 0 };
    match find(&PrefixLines, head, address) {
        Some(list) => u64::from(list.first) << 32 | u64::from(list.count),
        None => 0,
    }
}

/// Stands for a line that is missing; no tag is all ones.
const NO_LINE: u64 = u64::MAX;

/// The tag of one prefix, 0 where it is not there; or [`NO_LINE`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_probe(
    address: *const Address,
    kind: u32,
    end: u64,
    from: u32,
    lines: u32,
) -> u64 {
    // SAFETY: as above.
    let Some(address) = (unsafe { address.as_ref() }) else { return NO_LINE };
    let kind = match kind {
        0 => Kind::V4,
        1 => Kind::V6,
        _ => Kind::V6Long,
    };
    probe(&PrefixLines, Area { kind, from, lines }, address, end).unwrap_or(NO_LINE)
}

/// Index of the first rule that matches, or of one that is not there; [`NO_RULE`] where
/// neither is in the list.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_match(flow: *const Flow, first: u32, count: u32) -> u32 {
    // SAFETY: as above.
    let Some(flow) = (unsafe { flow.as_ref() }) else { return first };
    if count == 0 {
        return NO_RULE;
    }
    if is_match(first, flow) {
        return first;
    }
    let others = if count < MAX_PORT_RULES { count - 1 } else { MAX_PORT_RULES - 1 };
    let mut walk = Walk { flow: *flow, first, found: NO_RULE };
    // SAFETY: `try_rule` has the signature that bpf_loop calls, and `walk` outlives the call.
    unsafe { bpf_loop(others, try_rule as *mut c_void, (&raw mut walk).cast(), 0) };
    walk.found
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
        let found = enforcer_find(address, limits.prefixes);
        // SAFETY: as above.
        let found = unsafe { read_volatile(addr_of!(found)) };
        let list = PortList { first: (found >> 32) as u32, count: found as u32 };
        if list.count == 0 { None } else { Some(list) }
    }

    #[inline(always)]
    fn port_rule(&self, index: u32) -> Option<PortRule> {
        PORT_RULES.get(index).copied()
    }

    #[inline(always)]
    fn first_match(&self, list: PortList, flow: &Flow) -> Found {
        let index = enforcer_match(flow, list.first, list.count);
        // SAFETY: as above.
        let index = unsafe { read_volatile(addr_of!(index)) };
        if index == NO_RULE {
            return Found::NOTHING;
        }
        match PORT_RULES.get(index) {
            Some(rule) => Found { reason: rule.reason(), rule: rule.rule },
            None => Found { reason: Reason::Internal, rule: NO_RULE },
        }
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
