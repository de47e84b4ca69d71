//! Every call that sends on a connected socket, and io_uring: the packet is
//! judged, whatever carried it there. Closed by the cgroup programs alone.

use enforcer_common::{AgentState, Reason};
use enforcer_tests::ledger::{expect_refusals, refusals};
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, FORBIDDEN_V6, Lab, OTHER_PORT,
    SINK_PORT, TRIPWIRE, confined, eventually, pins, privileged,
};

const CALLS: [&str; 13] = [
    "write",
    "writev",
    "send",
    "sendmsg",
    "sendmmsg",
    "sendfile",
    "splice",
    "vmsplice",
    "zerocopy",
    "aio",
    "uring",
    "uring-polled",
    "uring-zerocopy",
];

/// The connections are older than the cut, so no hook on `connect` has a say,
/// and the daemon that would destroy them is dead.
#[test]
fn no_call_sends_for_an_agent_that_is_cut_off() {
    if !privileged("no_call_sends_for_an_agent_that_is_cut_off") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let mut daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("udp-open u {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_ok(&format!("udp-open six {ALLOWED_V6} {SINK_PORT}"));
    agent.expect_ok(&format!("tcp t {ALLOWED_V4} {ECHO_PORT}"));
    for call in CALLS.iter().chain(&["segments"]) {
        let before = lab.peer.packets().len();
        agent.expect_ok(&format!("carry {call} u"));
        agent.expect_ok(&format!("carry {call} six"));
        eventually("its datagrams", || (lab.peer.packets().len() >= before + 2).then_some(()));
    }
    for call in CALLS {
        let (before, bytes) = (lab.peer.tcp_bytes(ECHO_PORT), agent.expect_ok(&carry(call)));
        let wanted = before + bytes.number("bytes");
        eventually("its bytes", || (lab.peer.tcp_bytes(ECHO_PORT) == wanted).then_some(()));
    }
    daemon.kill9();
    for _ in 0..3 {
        agent.expect_refused(&format!("tcp x {FORBIDDEN_V4} {SINK_PORT}"));
    }
    assert_eq!(pins::state(&lab, "worker").quarantine, AgentState::BY_TRIPWIRE);
    let before = lab.peer.packets();
    for call in CALLS.iter().chain(&["segments"]) {
        agent.expect_refused(&format!("carry {call} u"));
        agent.expect_refused(&format!("carry {call} six"));
    }
    for call in CALLS {
        // TCP takes the bytes, and hides from their writer that none leaves.
        let _taken = agent.act(&carry(call));
    }
    assert_eq!(lab.peer.packets(), before);
    let counted = refusals(&lab);
    let reasons: Vec<_> = counted.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [Reason::Quarantined, Reason::NoRule]);
    assert!(counted[0].1 > 2 * CALLS.len() as u64 && counted[1].1 == 3, "{counted:?}");
}

fn carry(call: &str) -> String {
    format!("carry {call} t")
}

#[test]
fn io_uring_is_judged_like_any_call() {
    if !privileged("io_uring_is_judged_like_any_call") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let mut tried = 0;
    for how in ["plain", "polled"] {
        for kind in ["tcp", "udp", "message"] {
            for [allowed, forbidden] in [[ALLOWED_V4, FORBIDDEN_V4], [ALLOWED_V6, FORBIDDEN_V6]] {
                let before = lab.peer.packets_to(allowed).len();
                agent.expect_ok(&format!("ring {how} {kind} {allowed} {SINK_PORT}"));
                eventually("something to arrive", || {
                    (lab.peer.packets_to(allowed).len() > before).then_some(())
                });
                agent.expect_refused(&format!("ring {how} {kind} {forbidden} {SINK_PORT}"));
                agent.expect_refused(&format!("ring {how} {kind} {allowed} {OTHER_PORT}"));
                tried += 1;
            }
        }
    }
    expect_refusals(&lab, &[(Reason::NoRule, tried), (Reason::NoPort, tried)]);
    for forbidden in [FORBIDDEN_V4, FORBIDDEN_V6] {
        assert_eq!(lab.peer.packets_to(forbidden), []);
    }
    // Sockets by a ring escape a filter of system calls: under `exec` there are none.
    let mut confined = confined::agent(&lab);
    confined.expect_refused(&format!("ring plain tcp {ALLOWED_V4} {SINK_PORT}"));
    drop(daemon);
}

/// `IP_OPTIONS`, `SO_BINDTODEVICE`, `SO_MARK`, `TCP_REPAIR`; then one that any
/// program may set.
#[test]
fn options_set_through_a_ring_are_judged_too() {
    if !privileged("options_set_through_a_ring_are_judged_too") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let mut refused = 0;
    for option in ["0 4", "1 25", "1 36", "6 19"] {
        let answer = agent.act(&format!("ring-option {option}"));
        // Before Linux 6.7 no ring sets options.
        let unknown = ["EOPNOTSUPP", "EINVAL"].contains(&answer.errno());
        assert!(answer.errno() == "EPERM" || unknown, "{option}: {}", answer.0);
        refused += u64::from(!unknown);
    }
    if refused == 0 {
        return;
    }
    agent.expect_ok("ring-option 1 8");
    expect_refusals(&lab, &[(Reason::SocketOption, 4)]);
}
