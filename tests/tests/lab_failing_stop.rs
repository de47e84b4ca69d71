//! A daemon that is stopped, for as long as it takes, and one whose provider
//! does not answer: the kernel goes on by itself, and nothing that was due is
//! forgotten.

use std::fs;

use enforcer_common::{AgentState, Reason};
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER, arrived};
use enforcer_tests::{Daemon, Lab, Traffic, eventually, now_ns, pins, privileged, revoker};
use nix::sys::signal::Signal;

const PENDING: &str = "enforcer_revocations_pending";

#[test]
fn a_daemon_that_is_stopped_for_long_is_not_missed_and_catches_up() {
    if !privileged("a_daemon_that_is_stopped_for_long_is_not_missed_and_catches_up") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    revoker::equip(&lab, "outcast", ALLOW_ALWAYS);
    revoker::answer(&lab, true);
    let daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    daemon.signal(Signal::SIGSTOP);
    let stopped = now_ns();
    let mut outcast = Traffic::begin(&lab, "outcast", &[NEVER]);
    eventually("the wire to trip", || {
        (pins::state(&lab, "outcast").quarantine == AgentState::BY_TRIPWIRE).then_some(())
    });
    // Nobody is there to bind it.
    let (address, port) = ALWAYS;
    let mut stranger = lab.agent("stranger");
    while now_ns() - stopped < seconds() * 1_000_000_000 {
        traffic.more(&lab, 200);
        outcast.agent().expect_refused(&format!("udp connected {address} {port} 1"));
        stranger.expect_refused(&format!("udp connected {address} {port} 1"));
    }
    assert!(!revoker::done(&lab, "outcast"), "nobody has called yet");
    daemon.signal(Signal::SIGCONT);
    eventually("the revocation that was due", || revoker::done(&lab, "outcast").then_some(()));
    daemon.wait_until_ready();
    daemon.metrics_when("nothing to be pending", |m| m.get(PENDING) == 0.0);
    assert_eq!(outcast.end()[0].sent, 0);
    let sent = traffic.settle(&lab);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::NoRule).packets, sent[1].attempts);
    daemon.ok(&["audit", "verify"]);
}

#[test]
fn a_provider_that_is_down_is_asked_until_it_answers_and_the_quarantine_holds() {
    if !privileged("a_provider_that_is_down_is_asked_until_it_answers_and_the_quarantine_holds") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    revoker::equip(&lab, "outcast", ALLOW_ALWAYS);
    let mut daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    let outcast = Traffic::begin(&lab, "outcast", &[NEVER]);
    let count = |m: &enforcer_tests::Metrics| {
        m.get("enforcer_revocations_total{provider=\"command\",outcome=\"retried\"}")
    };
    let retried = |daemon: &Daemon<'_>| {
        let before = count(&daemon.metrics());
        daemon.metrics_when("another attempt", |m| count(m) > before);
    };
    daemon.metrics_when("the decision", |m| m.get(PENDING) == 1.0);
    retried(&daemon);
    daemon.kill9();
    daemon.restart();
    retried(&daemon);
    assert_eq!(daemon.metrics().get(PENDING), 1.0);
    assert_eq!(daemon.metrics().get("enforcer_quarantined{agent=\"outcast\"}"), 1.0);
    assert!(!revoker::done(&lab, "outcast"));
    revoker::answer(&lab, true);
    daemon.metrics_when("nothing to be pending", |m| m.get(PENDING) == 0.0);
    assert_eq!(fs::read_to_string(lab.path("revoked-outcast")).expect("it ran"), "once\n");
    assert_eq!(outcast.end()[0].sent, 0);
    traffic.settle(&lab);
    assert_eq!(arrived(&lab, NEVER), 0);
    daemon.ok(&["audit", "verify"]);
}

/// Seconds by default, minutes where time does not matter.
fn seconds() -> u64 {
    let long = std::env::var_os("ENFORCER_LONG").is_some_and(|value| value == "1");
    if long { 180 } else { 3 }
}
