//! What a decision leaves behind: counters, a record, a quarantine.

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use enforcer_common::{
    AgentState, Control, Decision, Flow, Hook, Meter, OUTCOMES, PolicyTables, Record, RecordKind,
    UNIX_PATH, UnixRecord, Verdict, outcome,
};

use crate::atomic::{Cell, add_one};
use crate::due::{Due, Fate, count, suppressed};
use crate::maps::{ALARMS, CONTROL, COUNTERS, RECORDS};
use crate::tables::{KernelTables, state};

/// `BPF_RB_FORCE_WAKEUP`: an alarm must not wait for the daemon's next look.
const FORCE_WAKEUP: u64 = 2;

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

/// Completes a record, and does with it what is [`due`].
#[inline(always)]
pub(crate) fn tell(record: &mut Record, flow: &Flow, due: Due) {
    // The result is the verifier's wish, not ours: global functions return one.
    let _ = enforcer_tell(record, flow, due.0);
}

/// A global function: the verifier checks it once and by itself, and not again
/// on every path that leads to it; and the stack of the packet's path stays
/// small. That is why its pointers may be null here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn enforcer_tell(record: *mut Record, flow: *const Flow, due: u32) -> u32 {
    // SAFETY: the only caller passes two references; the verifier checks that
    // what they point to is as large as their types.
    let (Some(record), Some(flow)) = (unsafe { record.as_mut() }, unsafe { flow.as_ref() }) else {
        return 0;
    };
    let Some(tables) = KernelTables::open() else { return 0 };
    let (Some(state), Some(limits)) = (state(record.slot), tables.limits(record.slot)) else {
        return 0;
    };
    // SAFETY: no preconditions.
    record.ktime_ns = unsafe { bpf_ktime_get_ns() };
    record.policy_id = limits.policy_id;
    record.destination = flow.destination.0;
    record.port = flow.port;
    record.protocol = flow.protocol.0;
    if due & Due::SEND != 0 {
        send(record, state, due, |record| RECORDS.output::<Record>(record, 0).is_ok());
    }
    if due & Due::TRIP != 0 {
        cut_off(record, state);
    }
    0
}

/// Completes and sends a record of a Unix socket, which is due; never a violation.
#[inline(always)]
pub(crate) fn send_unix(record: &mut Record, tables: &KernelTables, path: &[u8; UNIX_PATH]) {
    let (Some(state), Some(limits)) = (state(record.slot), tables.limits(record.slot)) else {
        return;
    };
    record.policy_id = limits.policy_id;
    send(record, state, Due::SEND, |record| {
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

/// Sends a record with how many were suppressed since the last one.
#[inline(always)]
fn send(
    record: &mut Record,
    state: *mut AgentState,
    due: u32,
    output: impl FnOnce(&Record) -> bool,
) {
    let suppressed = suppressed(state, due & Due::VIOLATION != 0, record.kind);
    let before = suppressed.swap(0);
    record.suppressed = before as u32;
    if output(record) {
        return count(record.slot, Fate::Sent);
    }
    suppressed.add(before);
    count(record.slot, Fate::Lost);
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
