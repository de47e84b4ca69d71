//! A storm of threads that all break the policy: every attempt is refused and
//! counted, the daemon stays small and answers, others do not notice.

use std::fs;

use enforcer_common::Reason;
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER};
use enforcer_tests::{Daemon, FORBIDDEN_V4, Lab, SINK_PORT, Traffic, pins, privileged};

const THREADS: u64 = 500;
const EACH: u64 = 20;
/// Events waiting for slow readers are bounded, and so is the daemon.
const MOST_GROWN_KIB: u64 = 64 * 1024;

#[test]
fn five_hundred_threads_reach_nothing_and_each_attempt_is_counted() {
    if !privileged("five_hundred_threads_reach_nothing_and_each_attempt_is_counted") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    let events = "[limits]\nevents = { rate = \"1000000/s\", burst = 1000000 }\n";
    lab.write_policy("storm", &format!("{ALLOW_ALWAYS}{events}"));
    let daemon = Daemon::start(&lab);
    let before = resident_kib(&daemon);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    let answer = lab
        .agent("storm")
        .expect_ok(&format!("tcp-storm {FORBIDDEN_V4} {SINK_PORT} {THREADS} {EACH}"));
    let attempts = THREADS * EACH;
    assert_eq!((answer.number("opened"), answer.errors("EPERM")), (0, attempts), "{}", answer.0);
    let counter = pins::counter(&lab, Some("storm"), Reason::NoRule);
    assert_eq!((counter.connections, counter.packets), (attempts, 0));
    let records = pins::records(&lab, "storm");
    assert_eq!(records.sent + records.suppressed + records.lost, attempts, "{records:?}");
    let denied = "enforcer_connections_total{agent=\"storm\",verdict=\"deny\"}";
    let violations = "enforcer_violations_total{agent=\"storm\",reason=\"no-rule\"}";
    let now = daemon.metrics_when("all of it", |m| m.get(violations) == attempts as f64);
    assert!(now.get(denied) >= attempts as f64, "the self-check's own are in it too");
    assert_eq!(daemon.json(&["status"])["ready"], true);
    let grown = resident_kib(&daemon).saturating_sub(before);
    println!("measured: the daemon grew by {grown} KiB");
    assert!(grown < MOST_GROWN_KIB, "{grown} KiB");
    let sent = traffic.settle(&lab);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Rule).packets, sent[0].sent);
}

fn resident_kib(daemon: &Daemon<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).expect("a number").parse().expect("in KiB")
}
