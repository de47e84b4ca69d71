//! An agent that cannot reach the enforcement makes it hard for the daemon: by
//! taking what it needs, or by having it judged like an agent.

use std::fs;

use enforcer_tests::{BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, eventually, privileged};
use serde_json::Value;

/// The port of the metrics.
const PORT: u16 = 9635;

#[test]
fn a_daemon_whose_port_an_agent_has_taken_comes_back_and_enforces() {
    if !privileged("a_daemon_whose_port_an_agent_has_taken_comes_back_and_enforces") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    daemon.kill9();
    agent.expect_ok(&format!("listen squat {PORT}"));
    daemon.restart();
    let said = |event: &serde_json::Value| {
        let message = event["message"].as_str().unwrap_or_default();
        event["kind"] == "tamper" && message.contains("is somebody else's")
    };
    assert!(daemon.events().iter().any(said), "{}", daemon.log());
    agent.expect_refused(&format!("tcp s {FORBIDDEN_V4} {SINK_PORT}"));
    drop(agent);
    eventually("the port", || daemon.try_http("/readyz").filter(|(status, _)| *status == 200));
}

#[test]
fn a_daemon_that_is_moved_among_the_agents_is_not_ready() {
    if !privileged("a_daemon_that_is_moved_among_the_agents_is_not_ready") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let logged = |said: &str| eventually(said, || daemon.log().contains(said).then_some(()));
    logged("daemon: ready");
    let procs = lab.cgroup("worker").join("cgroup.procs");
    fs::write(procs, daemon.pid().to_string()).expect("moved");
    // In the log: where the security hooks hold, the daemon's own calls are refused then,
    // and it may not answer.
    logged("tamper: the daemon was moved into");
    logged("not ready any more: the daemon was moved");
    let answer = daemon.enforcer(&["status", "-o", "json"]).stdout;
    let status = serde_json::from_slice::<Value>(&answer).ok();
    assert!(status.is_none_or(|status| status["ready"] == false), "{}", daemon.log());
}
