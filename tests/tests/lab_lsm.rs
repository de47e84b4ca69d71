//! What BPF LSM refuses, a hook a test.

use enforcer_common::{Hook, Reason};
use enforcer_tests::{BASIC, Daemon, Lab, eventually, privileged, skip};
use serde_json::Value;

/// Whether this kernel takes the layer; says so as a skip of `test` otherwise.
fn holds(test: &str, daemon: &Daemon<'_>) -> bool {
    let status = daemon.json(&["status"]);
    let layer = status["lsm"].as_str().unwrap_or_default().to_owned();
    if layer.starts_with("none") {
        skip(test, &format!("this kernel refuses LSM programs: {layer}"));
        return false;
    }
    true
}

/// Waits for an event of the agent with this hook and reason.
#[track_caller]
fn event(daemon: &Daemon<'_>, hook: Hook, reason: Reason) -> Value {
    eventually(&format!("an event of {} for {}", hook.as_str(), reason.as_str()), || {
        daemon.events().into_iter().find(|event| {
            event["agent"] == "worker"
                && event["hook"] == hook.as_str()
                && event["reason"] == reason.as_str()
        })
    })
}

#[test]
fn sockets_of_other_families_are_refused() {
    let test = "sockets_of_other_families_are_refused";
    if !privileged(test) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !holds(test, &daemon) {
        return;
    }
    let mut agent = lab.agent("worker");
    println!("{}", daemon.ok(&["status"]));
    for (family, kind, protocol) in [(17, 3, 0), (40, 1, 0), (38, 5, 0), (16, 3, 4), (2, 10, 0)] {
        agent.expect_refused(&format!("socket {family} {kind} {protocol}"));
    }
    for (family, kind, protocol) in [(1, 1, 0), (2, 1, 0), (10, 2, 0), (16, 3, 0)] {
        agent.expect_ok(&format!("socket {family} {kind} {protocol}"));
    }
    agent.expect_refused("bpf 0");
    let event = event(&daemon, Hook::SocketCreate, Reason::SocketType);
    assert_eq!(event["kind"], "denied");
}
