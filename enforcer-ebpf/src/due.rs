//! What is reported, and how often: the agent's budget of records and its tripwire.
//! Asked before a record is made, so that a flood of denials makes none.

use core::ptr::{addr_of, addr_of_mut, read_volatile};

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use enforcer_common::{
    AgentState, Decision, Hook, PolicyTables, Reason, RecordKind, SLOT_UNBOUND, TRIPWIRE_MAX,
    Verdict, WindowStore,
};

use crate::atomic::Cell;
use crate::maps::RECORD_STATS;
use crate::tables::{KernelTables, state};

/// What is to be done with a record.
#[derive(Clone, Copy)]
pub(crate) struct Due(pub(crate) u32);

/// What became of a record.
pub(crate) enum Fate {
    Sent,
    Suppressed,
    Lost,
}

// === impl Due ===

impl Due {
    /// It goes to the daemon.
    pub(crate) const SEND: u32 = 1;
    /// It trips the wire.
    pub(crate) const TRIP: u32 = 2;
    /// It is of a violation.
    pub(crate) const VIOLATION: u32 = 4;
}

/// What a decision is reported as, and what is to be done with its record; `None`
/// for most allowed traffic, for the self-check, and where the budget is used up: then
/// it is counted as suppressed.
#[inline(always)]
pub(crate) fn due(
    hook: Hook,
    slot: u32,
    decision: &Decision,
    clock: impl FnOnce() -> u64,
) -> Option<(RecordKind, Due)> {
    let kind = kind(hook, decision)?;
    Some((kind, of_kind(kind, slot, counts(kind, decision), clock())?))
}

/// The same of what is to be reported as this kind.
#[inline(always)]
pub(crate) fn of_kind(kind: RecordKind, slot: u32, is_violation: bool, now_ns: u64) -> Option<Due> {
    let due = enforcer_due(slot, kind as u32, u32::from(is_violation), now_ns);
    // SAFETY: a local variable; volatile because the verifier does not know that a
    // global function returns what the compiler saw it return.
    let due = unsafe { read_volatile(addr_of!(due)) };
    if due & (Due::SEND | Due::TRIP) == 0 { None } else { Some(Due(due)) }
}

/// `CLOCK_MONOTONIC`.
#[inline(always)]
pub(crate) fn fine() -> u64 {
    // SAFETY: no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// The same some milliseconds late, for a tenth of the time; budgets and windows are far
/// longer. Not every type of program may ask for it.
#[inline(always)]
pub(crate) fn coarse() -> u64 {
    // SAFETY: no preconditions.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// A global function, verified once and by itself.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_due(slot: u32, kind: u32, is_violation: u32, now_ns: u64) -> u32 {
    let Some(tables) = KernelTables::open() else { return 0 };
    let (Some(state), Some(limits)) = (state(slot), tables.limits(slot)) else { return 0 };
    let is_violation = is_violation != 0;
    // SAFETY: a field of a looked-up map value.
    let budget = unsafe { Cell::new(addr_of_mut!((*state).records_arrival)) };
    let mut due = if is_violation { Due::VIOLATION } else { 0 };
    if limits.records.is_none() || limits.records.charge(&budget, now_ns, 1) {
        due |= Due::SEND;
    } else {
        suppressed(state, is_violation, kind as u8).add(1);
        count(slot, Fate::Suppressed);
    }
    if is_violation && slot != SLOT_UNBOUND && limits.tripwire().note(&Ring(state), now_ns) {
        due |= Due::TRIP;
    }
    due
}

/// What a decision is reported as; `None` for most allowed traffic and for the
/// self-check.
#[inline(always)]
fn kind(hook: Hook, decision: &Decision) -> Option<RecordKind> {
    if decision.reason == Reason::Canary {
        return None;
    }
    match decision.verdict {
        Verdict::Deny if decision.reason.is_cap() => Some(RecordKind::RateLimited),
        Verdict::Deny if decision.reason.is_tampering() => Some(RecordKind::Tamper),
        Verdict::Deny => Some(RecordKind::Denied),
        Verdict::Allow if decision.audited => Some(RecordKind::WouldDeny),
        Verdict::Allow if hook.is_connect() => Some(RecordKind::Connected),
        Verdict::Allow => None,
    }
}

/// Whether what is reported counts towards the tripwire: enforced violations.
#[inline(always)]
fn counts(kind: RecordKind, decision: &Decision) -> bool {
    matches!(kind, RecordKind::Denied | RecordKind::Tamper) && decision.reason.is_violation()
}

/// Suppressed records are counted apart by what a `[[respond]]` rule counts, so
/// that a flood of one kind is never taken for the other.
#[inline(always)]
pub(crate) fn suppressed(state: *mut AgentState, is_violation: bool, kind: u8) -> Cell {
    // SAFETY: fields of a looked-up map value.
    unsafe {
        Cell::new(if is_violation {
            addr_of_mut!((*state).suppressed_violations)
        } else if kind == RecordKind::RateLimited as u8 {
            addr_of_mut!((*state).suppressed_refusals)
        } else {
            addr_of_mut!((*state).suppressed_others)
        })
    }
}

#[inline(always)]
pub(crate) fn count(slot: u32, fate: Fate) {
    let Some(stats) = RECORD_STATS.get_ptr_mut(slot) else { return };
    // SAFETY: fields of a looked-up map value.
    let cell = unsafe {
        Cell::new(match fate {
            Fate::Sent => addr_of_mut!((*stats).sent),
            Fate::Suppressed => addr_of_mut!((*stats).suppressed),
            Fate::Lost => addr_of_mut!((*stats).lost),
        })
    };
    cell.add(1);
}

/// The tripwire's ring in an agent's state.
struct Ring(*mut AgentState);

impl WindowStore for Ring {
    #[inline(always)]
    fn take_number(&self) -> u64 {
        // SAFETY: a field of a looked-up map value.
        unsafe { Cell::new(addr_of_mut!((*self.0).violations)) }.fetch_add(1)
    }

    #[inline(always)]
    fn forgiven(&self) -> u64 {
        // SAFETY: a field of a looked-up map value.
        unsafe { read_volatile(addr_of_mut!((*self.0).forgiven)) }
    }

    #[inline(always)]
    fn put(&self, place: usize, stamp: u64) {
        self.place(place).set(stamp);
    }

    #[inline(always)]
    fn get(&self, place: usize) -> u64 {
        self.place(place).get()
    }
}

impl Ring {
    #[inline(always)]
    fn place(&self, place: usize) -> Cell {
        // SAFETY: a field of a looked-up map value; the mask keeps the place
        // within the array.
        unsafe {
            let stamps = addr_of_mut!((*self.0).stamps).cast::<u64>();
            Cell::new(stamps.add(place & (TRIPWIRE_MAX - 1)))
        }
    }
}
