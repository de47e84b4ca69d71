//! Ids that are used again: cgroups that change hands, slots, process ids.
//! Nobody inherits anything.

use std::fs;

use enforcer_common::{AgentState, Counter, Reason};
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER, SOMETIMES, arrived};
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, TRIPWIRE, Traffic, pins,
    privileged, reborn,
};

const ALLOW_SOMETIMES: &str = "[[allow]]\nto = [\"fd77::2/128\"]\nports = [\"udp/5001\"]\n";
const CAP: &str = "[limits]\npackets = { rate = \"1/m\", burst = 40 }\n";

#[test]
fn a_cgroup_that_changes_hands_is_never_judged_by_the_wrong_agent() {
    if !privileged("a_cgroup_that_changes_hands_is_never_judged_by_the_wrong_agent") {
        return;
    }
    let lab = Lab::new();
    // Whoever has the cgroup `one` may not reach SOMETIMES; who has `two` may.
    let hand_out = |one: &str, two: &str| {
        write(&lab, one, "one", ALLOW_ALWAYS);
        write(&lab, two, "two", &format!("{ALLOW_ALWAYS}{ALLOW_SOMETIMES}"));
    };
    hand_out("first", "second");
    let daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "one", &[ALWAYS, NEVER, SOMETIMES]);
    let mut owners = ["first", "second"];
    for _ in 0..30 {
        owners.swap(0, 1);
        hand_out(owners[0], owners[1]);
        daemon.ok(&["reload"]);
        traffic.more(&lab, 5);
    }
    let sent = traffic.end();
    assert_eq!((sent[1].sent, sent[2].sent), (0, 0), "{sent:?}");
    assert_eq!((arrived(&lab, NEVER), arrived(&lab, SOMETIMES)), (0, 0));
    assert_eq!(arrived(&lab, ALWAYS), sent[0].sent);
    let (address, port) = SOMETIMES;
    lab.agent("two").expect_ok(&format!("udp connected {address} {port} 1"));
}

#[test]
fn a_binding_that_a_daemon_died_over_holds_for_open_sockets_too() {
    if !privileged("a_binding_that_a_daemon_died_over_holds_for_open_sockets_too") {
        return;
    }
    let lab = Lab::new();
    write(&lab, "first", "twin-1", &format!("{ALLOW_ALWAYS}{ALLOW_SOMETIMES}"));
    write(&lab, "second", "twin-2", ALLOW_ALWAYS);
    let mut daemon = Daemon::start(&lab);
    let mut agent = lab.agent("twin-1");
    let (address, port) = SOMETIMES;
    agent.expect_ok(&format!("udp-open s {address} 0"));
    let send = format!("udp-send-to s {address} {port}");
    agent.expect_ok(&send);
    daemon.kill9();
    // It had written the table, and not yet told the sockets.
    pins::bind(&lab, &lab.cgroup("twin-1"), "second");
    write(&lab, "first", "none-*", &format!("{ALLOW_ALWAYS}{ALLOW_SOMETIMES}"));
    write(&lab, "second", "twin-*", ALLOW_ALWAYS);
    daemon.restart();
    agent.expect_refused(&send);
    assert_eq!(arrived(&lab, SOMETIMES), 1);
}

#[test]
fn a_slot_that_changes_hands_takes_nothing_along() {
    if !privileged("a_slot_that_changes_hands_takes_nothing_along") {
        return;
    }
    let lab = Lab::new();
    lab.write_config("[capacity]\nagents = 2");
    lab.write_policy("stays", ALLOW_ALWAYS);
    lab.write_policy("old", &format!("{ALLOW_ALWAYS}{CAP}"));
    let daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "stays", &[ALWAYS, NEVER]);
    // An open socket, and a cap that is used up, when its policy goes.
    let old = Traffic::begin(&lab, "old", &[ALWAYS, NEVER, SOMETIMES]);
    lab.agent("old").act(&format!("udp unconnected {ALLOWED_V4} {SINK_PORT} 50"));
    let slot = pins::slot(&lab, "old");
    fs::remove_file(lab.path("policies.d/old.toml")).expect("remove the old policy");
    lab.write_policy("new", &format!("{ALLOW_ALWAYS}{ALLOW_SOMETIMES}{CAP}{TRIPWIRE}"));
    daemon.ok(&["reload"]);
    traffic.more(&lab, 50);
    assert_eq!(pins::slot(&lab, "new"), slot, "the slot is used again");
    assert_eq!(pins::counters(&lab, Some("new")), []);
    let state = pins::state(&lab, "new");
    assert_eq!((state.quarantine, state.violations), (AgentState::FREE, 0));
    let told = daemon.events();
    assert!(told.iter().any(|event| event["agent"] == "old" && event["kind"] == "denied"));
    assert!(
        told.iter().all(|e| e["agent"] != "new" || e["kind"] != "denied"),
        "denials of the old one's"
    );
    let mut agent = lab.agent("new");
    agent.expect_ok(&format!("udp unconnected {ALLOWED_V6} {SINK_PORT} 1"));
    let burst = agent.act(&format!("udp unconnected {ALLOWED_V4} {SINK_PORT} 100"));
    assert_eq!(burst.number("sent"), 39, "a whole burst is its own: {}", burst.0);
    let rule = (pins::counter(&lab, Some("new"), Reason::Rule)).packets;
    assert_eq!(rule, 40);
    let left = old.end();
    assert_eq!((left[1].sent, left[2].sent), (0, 0), "{left:?}");
    assert_eq!(arrived(&lab, SOMETIMES), 1, "the new agent's own datagram");
    let stays = traffic.end();
    assert_eq!((stays[0].refused, stays[1].sent, arrived(&lab, NEVER)), (0, 0, 0), "{stays:?}");
}

#[test]
fn a_quarantined_agents_slot_is_given_to_nobody() {
    if !privileged("a_quarantined_agents_slot_is_given_to_nobody") {
        return;
    }
    let lab = Lab::new();
    lab.write_config("[capacity]\nagents = 2");
    lab.write_policy("stays", ALLOW_ALWAYS);
    lab.write_policy("old", ALLOW_ALWAYS);
    let daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "stays", &[ALWAYS, NEVER]);
    daemon.ok(&["quarantine", "old", "--reason", "test"]);
    let policy = lab.path("policies.d/old.toml");
    let kept = fs::read(&policy).expect("the old policy");
    fs::remove_file(&policy).expect("remove the old policy");
    lab.write_policy("new", ALLOW_ALWAYS);
    let refused = daemon.enforcer(&["reload"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("agents"), "{refused:?}");
    fs::remove_file(lab.path("policies.d/new.toml")).expect("remove the new policy");
    fs::write(&policy, kept).expect("bring the old policy back");
    daemon.ok(&["reload"]);
    lab.agent("old").expect_refused(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
    assert_eq!(pins::state(&lab, "old").quarantine, AgentState::BY_DAEMON);
    traffic.settle(&lab);
}

#[test]
fn a_process_id_that_is_used_again_means_nothing() {
    if !privileged("a_process_id_that_is_used_again_means_nothing") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("other", &BASIC.replace("10.77.0.2/32", "10.77.0.3/32"));
    let daemon = Daemon::start(&lab);
    let (allowed, forbidden) =
        (format!("tcp c {ALLOWED_V4} {SINK_PORT}"), format!("tcp c {FORBIDDEN_V4} {SINK_PORT}"));
    let mut agent = lab.agent("worker");
    agent.expect_ok(&allowed);
    agent.expect_refused(&forbidden);
    let pid = agent.pid();
    drop(agent);
    assert!(reborn::act(&lab, pid, None, &forbidden), "outside, nobody is enforced");
    let other = lab.cgroup("other");
    assert!(!reborn::act(&lab, pid, Some(&other), &allowed), "the other agent's rules");
    assert!(reborn::act(&lab, pid, Some(&other), &forbidden), "the other agent's rules");
    let once = |agent| pins::counter(&lab, Some(agent), Reason::NoRule);
    let one = Counter { connections: 1, ..Counter::default() };
    assert_eq!((once("worker"), once("other")), (one, one));
    assert_eq!(daemon.json(&["status"])["ready"], true);
}

/// A policy whose only cgroup is `cgroup` below the root; a glob is not made.
fn write(lab: &Lab, agent: &str, cgroup: &str, body: &str) {
    let root = lab.root();
    let text = format!("version = 1\nagent = \"{agent}\"\ncgroups = [\"{root}/{cgroup}\"]\n{body}");
    fs::write(lab.path("policies.d").join(format!("{agent}.toml")), text).expect("write a policy");
}
