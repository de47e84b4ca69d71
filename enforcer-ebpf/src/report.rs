//! What a decision leaves behind: counters, the tripwire, a record.

use core::ptr::{addr_of_mut, read_volatile};

use aya_ebpf::helpers::bpf_ktime_get_ns;
use enforcer_common::{
    AgentLimits, AgentState, Control, Decision, Flow, Hook, Meter, OUTCOMES, PolicyTables, Reason,
    Record, RecordKind, SLOT_UNBOUND, TRIPWIRE_MAX, UNIX_PATH, UnixRecord, Verdict, WindowStore,
    outcome,
};

use crate::atomic::{Cell, add_one};
use crate::maps::{ALARMS, CONTROL, COUNTERS, RECORD_STATS, RECORDS};
use crate::tables::{KernelTables, state};

/// `BPF_RB_FORCE_WAKEUP`: an alarm must not wait for the daemon's next look.
const FORCE_WAKEUP: u64 = 2;

/// What became of a record.
enum Fate {
    Sent,
    Suppressed,
    Lost,
}

/// Counts a decision. The only thing an allowed packet leaves behind.
#[inline(always)]
pub(crate) fn tally(hook: Hook, slot: u32, flow: &Flow, decision: &Decision) {
    let index = slot * OUTCOMES + outcome(decision.reason, decision.audited);
    let Some(counter) = COUNTERS.get_ptr_mut(index) else { return };
    // SAFETY: fields of a looked-up map value.
    let (packets, bytes, connections, sockets) = unsafe {
        (
            Cell::new(addr_of_mut!((*counter).packets)),
            Cell::new(addr_of_mut!((*counter).bytes)),
            Cell::new(addr_of_mut!((*counter).connections)),
            Cell::new(addr_of_mut!((*counter).sockets)),
        )
    };
    let denied = decision.verdict == Verdict::Deny;
    match hook {
        Hook::Egress => {
            packets.add(u64::from(flow.packets));
            bytes.add(u64::from(flow.bytes));
        }
        Hook::Connect4 | Hook::Connect6 => connections.add(1),
        // What arrives is counted where it ends.
        Hook::Ingress if denied => {
            packets.add(u64::from(flow.packets));
            bytes.add(u64::from(flow.bytes));
        }
        // An allowed datagram is counted when it is a packet.
        Hook::Sendmsg4 | Hook::Sendmsg6 if denied => packets.add(1),
        Hook::Ingress | Hook::Sendmsg4 | Hook::Sendmsg6 => {}
        // Calls, of which a socket is one.
        _ if denied => sockets.add(1),
        _ => {}
    }
}

/// What a decision is reported as; `None` for most allowed traffic and for the
/// self-check.
#[inline(always)]
pub(crate) fn kind(hook: Hook, decision: &Decision) -> Option<RecordKind> {
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

/// A record of a decision, without the process and the cgroup.
#[inline(always)]
pub(crate) fn record(
    kind: RecordKind,
    hook: Hook,
    slot: u32,
    control: &Control,
    decision: &Decision,
) -> Record {
    Record {
        ktime_ns: 0,
        cgroup_id: 0,
        socket_cookie: 0,
        destination: [0; 16],
        comm: [0; 16],
        pid: 0,
        uid: 0,
        slot,
        policy_id: 0,
        generation: control.generation,
        rule: decision.rule,
        suppressed: 0,
        port: 0,
        protocol: 0,
        kind: kind as u8,
        hook: hook as u8,
        reason: decision.reason as u8,
        reserved: [0; 2],
        detail: 0,
    }
}

/// Completes and sends a record, and notes a violation.
#[inline(always)]
pub(crate) fn tell(record: &mut Record, flow: &Flow, is_violation: bool) {
    // The result is the verifier's wish, not ours: global functions return one.
    let _ = enforcer_tell(record, flow, u32::from(is_violation));
}

/// A global function: the verifier checks it once and by itself, and not again
/// on every path that leads to it; and the stack of the packet's path stays
/// small. That is why its pointers may be null here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_tell(record: *mut Record, flow: *const Flow, is_violation: u32) -> u32 {
    // SAFETY: the only caller passes two references; the verifier checks that
    // what they point to is as large as their types.
    let (Some(record), Some(flow)) = (unsafe { record.as_mut() }, unsafe { flow.as_ref() }) else {
        return 0;
    };
    let Some(tables) = KernelTables::open() else { return 0 };
    let (Some(state), Some(limits)) = (state(record.slot), tables.limits(record.slot)) else {
        return 0;
    };
    let is_violation = is_violation != 0;
    // SAFETY: no preconditions.
    record.ktime_ns = unsafe { bpf_ktime_get_ns() };
    record.policy_id = limits.policy_id;
    record.destination = flow.destination.0;
    record.port = flow.port;
    record.protocol = flow.protocol.0;
    send(record, state, limits, is_violation, |record| RECORDS.output::<Record>(record, 0).is_ok());
    if is_violation && record.slot != SLOT_UNBOUND {
        trip(record, state, limits);
    }
    0
}

/// Whether what is reported counts towards the tripwire: enforced violations.
#[inline(always)]
pub(crate) fn counts(kind: RecordKind, decision: &Decision) -> bool {
    matches!(kind, RecordKind::Denied | RecordKind::Tamper) && decision.reason.is_violation()
}

/// Completes and sends a record of a Unix socket; never a violation.
#[inline(always)]
pub(crate) fn send_unix(record: &mut Record, tables: &KernelTables, path: &[u8; UNIX_PATH]) {
    let (Some(state), Some(limits)) = (state(record.slot), tables.limits(record.slot)) else {
        return;
    };
    record.policy_id = limits.policy_id;
    send(record, state, limits, false, |record| {
        // In the ring itself: the stack has no room for it.
        let Some(mut entry) = RECORDS.reserve::<UnixRecord>(0) else { return false };
        let place = entry.as_mut_ptr();
        // SAFETY: fields of the reserved entry; every one of them is written.
        unsafe {
            addr_of_mut!((*place).record).write(*record);
            addr_of_mut!((*place).path).write(*path);
            addr_of_mut!((*place).reserved).write(0);
        }
        entry.submit(0);
        true
    });
}

#[inline(always)]
fn send(
    record: &mut Record,
    state: *mut AgentState,
    limits: &AgentLimits,
    is_violation: bool,
    output: impl FnOnce(&Record) -> bool,
) {
    // SAFETY: a field of a looked-up map value.
    let budget = unsafe { Cell::new(addr_of_mut!((*state).records_arrival)) };
    let suppressed = suppressed(record, state, is_violation);
    if !limits.records.is_none() && !limits.records.charge(&budget, record.ktime_ns, 1) {
        suppressed.add(1);
        return count(record.slot, Fate::Suppressed);
    }
    let before = suppressed.swap(0);
    record.suppressed = before as u32;
    if output(record) {
        return count(record.slot, Fate::Sent);
    }
    suppressed.add(before);
    count(record.slot, Fate::Lost);
}

/// Suppressed records are counted apart by what a `[[respond]]` rule counts, so
/// that a flood of one kind is never taken for the other.
#[inline(always)]
fn suppressed(record: &Record, state: *mut AgentState, is_violation: bool) -> Cell {
    // SAFETY: fields of a looked-up map value.
    unsafe {
        Cell::new(if is_violation {
            addr_of_mut!((*state).suppressed_violations)
        } else if record.kind == RecordKind::RateLimited as u8 {
            addr_of_mut!((*state).suppressed_refusals)
        } else {
            addr_of_mut!((*state).suppressed_others)
        })
    }
}

/// Notes a violation; the one that trips the wire cuts the agent off here and
/// now, whether or not a daemon is alive.
#[inline(always)]
fn trip(record: &mut Record, state: *mut AgentState, limits: &AgentLimits) {
    if !limits.tripwire().note(&Ring(state), record.ktime_ns) {
        return;
    }
    cut_off(record, state);
}

/// Quarantines the agent of a record, and sends the record as the alarm.
#[inline(always)]
pub(crate) fn cut_off(record: &mut Record, state: *mut AgentState) {
    // SAFETY: fields of a looked-up map value.
    let (quarantine, since) = unsafe {
        (
            Cell::new(addr_of_mut!((*state).quarantine)),
            Cell::new(addr_of_mut!((*state).quarantined_at_ns)),
        )
    };
    if quarantine.compare_exchange(AgentState::FREE, AgentState::BY_TRIPWIRE).is_err() {
        return;
    }
    revoke_shortcuts();
    since.set(record.ktime_ns);
    record.kind = RecordKind::Quarantined as u8;
    record.suppressed = 0;
    // The daemon also polls the state: a lost alarm is late, not missed.
    if ALARMS.output::<Record>(&*record, FORCE_WAKEUP).is_err() {
        count(record.slot, Fate::Lost);
    }
}

/// What was allowed to anybody until now is looked up again.
#[inline(always)]
fn revoke_shortcuts() {
    let Some(control) = CONTROL.get_ptr_mut(0) else { return };
    // SAFETY: a field of a looked-up map value.
    unsafe { add_one(addr_of_mut!((*control).revocations)) };
}

#[inline(always)]
fn count(slot: u32, fate: Fate) {
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
