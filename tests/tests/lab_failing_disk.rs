//! The disk of the daemon's state is full while policies are broken. The kernel
//! goes on, and once there is room the record says what it misses.

use std::fs;

use enforcer_common::Reason;
use enforcer_tests::small_disk::SmallDisk;
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER};
use enforcer_tests::{
    ALLOWED_V4, Daemon, Lab, SINK_PORT, Traffic, eventually, pins, privileged, revoker,
};
use serde_json::Value;

const LOST: &str = "enforcer_events_lost_total{cause=\"audit\"}";
/// Every denial is an event, and so an entry.
const EVENTS: &str = "[limits]\nevents = { rate = \"1000000/s\", burst = 1000000 }\n";
const MIB: u32 = 6;

#[test]
fn a_full_disk_stops_nothing_and_the_record_says_what_it_misses() {
    if !privileged("a_full_disk_stops_nothing_and_the_record_says_what_it_misses") {
        return;
    }
    let (lab, disk) = stage();
    let daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    disk.fill();
    daemon.metrics_when("losses of the audit trail", |m| m.get(LOST) > 100.0);
    let outcast = Traffic::begin(&lab, "outcast", &[NEVER]);
    expect_cut_off(&lab);
    eventually("the revocation, or word that it must wait", || {
        let told = daemon.log().contains("could not be written down");
        (told || revoker::done(&lab, "outcast")).then_some(())
    });
    daemon.ok(&["audit", "verify"]);
    assert_eq!(daemon.json(&["status"])["ready"], true);
    disk.drain();
    eventually("the revocation that was due", || revoker::done(&lab, "outcast").then_some(()));
    eventually("the record to tell each loss", || {
        let lost = daemon.metrics().get(LOST);
        (told(&lab) as f64 == lost).then_some(())
    });
    daemon.ok(&["audit", "verify"]);
    assert_eq!(outcast.end()[0].sent, 0);
    let sent = traffic.settle(&lab);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Rule).packets, sent[0].sent);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::NoRule).packets, sent[1].attempts);
}

#[test]
fn a_daemon_killed_on_a_full_disk_finds_what_was_due_when_there_is_room() {
    if !privileged("a_daemon_killed_on_a_full_disk_finds_what_was_due_when_there_is_room") {
        return;
    }
    let (lab, disk) = stage();
    let mut daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    daemon.kill9();
    disk.fill();
    let outcast = Traffic::begin(&lab, "outcast", &[NEVER]);
    expect_cut_off(&lab);
    daemon.spawn();
    traffic.more(&lab, 300);
    daemon.kill9();
    expect_cut_off(&lab);
    disk.drain();
    daemon.restart();
    eventually("the revocation that was due", || revoker::done(&lab, "outcast").then_some(()));
    daemon.ok(&["audit", "verify"]);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    assert_eq!(outcast.end()[0].sent, 0);
    traffic.settle(&lab);
}

fn stage() -> (Lab, SmallDisk) {
    let lab = Lab::new();
    let disk = SmallDisk::mount(&lab.path("state"), MIB);
    lab.write_policy("worker", &format!("{ALLOW_ALWAYS}{EVENTS}"));
    revoker::equip(&lab, "outcast", ALLOW_ALWAYS);
    revoker::answer(&lab, true);
    (lab, disk)
}

/// The wire trips in the kernel, whatever the disk says.
fn expect_cut_off(lab: &Lab) {
    eventually("the wire to trip", || (pins::state(lab, "outcast").quarantine != 0).then_some(()));
    lab.agent("outcast").expect_refused(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
}

/// Entries that the record says it has lost.
fn told(lab: &Lab) -> u64 {
    let text = fs::read_to_string(lab.path("state/audit.jsonl")).expect("the audit trail");
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lost = entries.filter(|entry| entry["event"]["reason"] == "audit");
    let count = |entry: Value| -> u64 {
        let message = entry["event"]["message"].as_str().unwrap_or_default().to_owned();
        message.split(' ').next().and_then(|word| word.parse().ok()).expect("a number first")
    };
    lost.map(count).sum()
}
