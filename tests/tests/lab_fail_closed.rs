//! Whatever happens to the daemon, the packets do not notice.

use std::fs;

use enforcer_common::Reason;
use enforcer_tests::traffic::{ALWAYS, NEVER, Traffic};
use enforcer_tests::{
    ALLOWED_V4, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, eventually, pins, privileged,
};
use nix::sys::signal::Signal;

#[test]
fn killed_stopped_and_restarted_the_daemon_is_not_missed() {
    if !privileged("killed_stopped_and_restarted_the_daemon_is_not_missed") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("outcast", &BASIC.replace("5001", "5000"));
    let mut daemon = Daemon::start(&lab);
    daemon.ok(&["quarantine", "outcast", "--reason", "test"]);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    daemon.kill9();
    traffic.more(&lab, 10);
    daemon.restart();
    daemon.signal(Signal::SIGSTOP);
    traffic.more(&lab, 10);
    daemon.signal(Signal::SIGCONT);
    assert!(daemon.stop(), "{}", daemon.log());
    traffic.more(&lab, 10);
    daemon.restart();
    traffic.more(&lab, 10);
    let sent = traffic.settle(&lab);
    let (allowed, denied) = (sent[0].sent, sent[1].refused);
    assert_eq!(lab.peer.packets().len() as u64, allowed);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Rule).packets, allowed);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::NoRule).packets, denied);
    let metrics = daemon.metrics();
    assert_eq!(metrics.get("enforcer_quarantined{agent=\"outcast\"}"), 1.0);
    let series = "enforcer_packets_total{agent=\"worker\",reason=\"no-rule\",verdict=\"deny\"}";
    assert_eq!(metrics.get(series), denied as f64);
    assert_eq!(daemon.json(&["status"])["adopted"], true);
    lab.agent("outcast").expect_refused(&format!("udp connected {ALLOWED_V4} 5000 1"));
}

#[test]
fn a_pin_that_is_removed_is_noticed_and_opens_nothing_for_the_next_daemon() {
    if !privileged("a_pin_that_is_removed_is_noticed_and_opens_nothing_for_the_next_daemon") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    remove_pins(&lab, &["links"]);
    let verified = "enforcer_enforcement_verified{agent=\"worker\"}";
    daemon.metrics_when("the loss in the metrics", |m| m.get(verified) == 0.0);
    assert_eq!(daemon.http("/readyz").0, 503);
    let tamper = || daemon.events().into_iter().filter(|event| event["kind"] == "tamper");
    assert!(tamper().any(|event| event["message"].to_string().contains("egress_skb: its pin")));
    // Whoever removes everything gets a second pin again while the daemon lives.
    remove_pins(&lab, &["links-kept"]);
    eventually("the second pins to be back", || second_pin(&lab).exists().then_some(()));
    traffic.more(&lab, 10);
    assert!(daemon.stop(), "{}", daemon.log());
    traffic.more(&lab, 10);
    daemon.restart();
    daemon.metrics_when("the proof in the metrics", |m| m.get(verified) == 1.0);
    daemon.kill9();
    remove_pins(&lab, &["links"]);
    traffic.more(&lab, 10);
    daemon.restart();
    traffic.more(&lab, 10);
    let sent = traffic.settle(&lab);
    assert_eq!(lab.peer.packets().len() as u64, sent[0].sent, "all of the one, none of the other");
    assert!(sent[1].refused > 0 && sent[1].sent == 0, "{sent:?}");
}

fn remove_pins(lab: &Lab, folders: &[&str]) {
    for folder in folders {
        for pin in fs::read_dir(lab.bpf_dir().join(folder)).expect("list the pins").flatten() {
            fs::remove_file(pin.path()).expect("remove a pin");
        }
    }
}

fn second_pin(lab: &Lab) -> std::path::PathBuf {
    lab.bpf_dir().join("links-kept/egress_skb")
}

#[test]
fn a_corrupt_state_database_opens_nothing() {
    if !privileged("a_corrupt_state_database_opens_nothing") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("outcast", BASIC);
    let mut daemon = Daemon::start(&lab);
    daemon.ok(&["quarantine", "outcast", "--reason", "test"]);
    daemon.kill9();
    let mut spoilt = 0;
    for entry in fs::read_dir(lab.path("state")).expect("list the state").flatten() {
        if entry.path().is_file() {
            fs::write(entry.path(), b"this is not a database").expect("spoil a file");
            spoilt += 1;
        }
    }
    assert!(spoilt > 0, "the daemon keeps its state somewhere");
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    daemon.spawn();
    eventually("a word on its state", || daemon.log().contains("state").then_some(()));
    traffic.more(&lab, 10);
    traffic.settle(&lab);
    lab.agent("outcast").expect_refused(&format!("udp connected {ALLOWED_V4} 5000 1"));
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn a_full_ring_changes_no_verdict_and_the_loss_is_told() {
    if !privileged("a_full_ring_changes_no_verdict_and_the_loss_is_told") {
        return;
    }
    let lab = Lab::new();
    let events = "[limits]\nevents = { rate = \"1000000/s\", burst = 1000000 }";
    lab.write_policy("worker", &format!("{BASIC}{events}"));
    let daemon = Daemon::start(&lab);
    let before = daemon.metrics();
    daemon.signal(Signal::SIGSTOP);
    let flood = format!("flood unconnected {FORBIDDEN_V4} {SINK_PORT} 20000 2 2 4 64");
    let answer = lab.agent("worker").expect_ok(&flood);
    let attempts = answer.number("attempts");
    assert_eq!(answer.errors("EPERM"), attempts);
    let records = pins::records(&lab, "worker");
    assert!(records.lost > 10_000, "the ring was not full: {records:?}");
    assert_eq!(records.sent + records.suppressed + records.lost, attempts);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::NoRule).packets, attempts);
    daemon.signal(Signal::SIGCONT);
    let lost = |m: &enforcer_tests::Metrics| m.sum("enforcer_events_lost_total", &[]);
    daemon.metrics_when("the loss in the metrics", |now| {
        lost(now) - lost(&before) >= records.lost as f64
    });
    eventually("an event that tells the loss", || {
        daemon.events().iter().any(|event| event["kind"] == "lost").then_some(())
    });
    assert_eq!(lab.peer.packets(), []);
}

#[test]
fn a_plan_that_does_not_fit_is_refused_and_the_old_one_stays() {
    if !privileged("a_plan_that_does_not_fit_is_refused_and_the_old_one_stays") {
        return;
    }
    let lab = Lab::new();
    lab.write_config("[capacity]\nagents = 4\nprefixes = 200\nport_rules = 4000");
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let generation = daemon.json(&["status"])["generation"].clone();
    let nets: Vec<String> = (0..250).map(|i| format!("\"10.80.{i}.0/24\"")).collect();
    let rule = format!("[[allow]]\nto = [{}]\nports = [\"any\"]", nets.join(","));
    lab.write_policy("worker", &format!("{BASIC}{rule}"));
    let output = daemon.enforcer(&["reload"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("prefixes"), "{output:?}");
    assert_eq!(daemon.json(&["status"])["generation"], generation);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    traffic.more(&lab, 10);
    traffic.settle(&lab);
}
