//! What an operator does, and what he is told.

use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, Agent, BASIC, Change, Daemon, FORBIDDEN_V4, FORBIDDEN_V6, Lab,
    SINK_PORT, TRIPWIRE, eventually, expect, privileged,
};
use serde_json::{Value, json};

#[test]
fn a_released_agent_is_let_back_and_trips_again() {
    if !privileged("a_released_agent_is_let_back_and_trips_again") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    for _ in 0..2 {
        violate(&mut agent, 2);
        reach(&mut agent);
        violate(&mut agent, 1);
        agent.expect_refused(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
        agent.expect_refused(&format!("tcp c {ALLOWED_V6} {SINK_PORT}"));
        agent.expect_refused(&format!("ping connected {ALLOWED_V4}"));
        let series = "enforcer_quarantined{agent=\"worker\"}";
        daemon.metrics_when("the quarantine in the metrics", |m| m.get(series) == 1.0);
        daemon.ok(&["release", "worker"]);
        reach(&mut agent);
        daemon.metrics_when("the release in the metrics", |m| m.get(series) == 0.0);
    }
    for kind in ["quarantined", "released"] {
        let count = daemon.events().iter().filter(|event| event["kind"] == kind).count();
        assert_eq!(count, 2, "{kind}");
    }
    let again = daemon.ok(&["release", "worker"]);
    assert!(again.contains("was not quarantined"), "{again}");
}

#[test]
fn an_operator_cuts_an_agent_off_at_once() {
    if !privileged("an_operator_cuts_an_agent_off_at_once") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("other", BASIC);
    let daemon = Daemon::start(&lab);
    let (mut agent, mut other) = (lab.agent("worker"), lab.agent("other"));
    agent.expect_ok(&format!("tcp open {ALLOWED_V4} {SINK_PORT}"));
    daemon.ok(&["quarantine", "worker", "--reason", "under suspicion"]);
    let before = lab.peer.packets().len();
    let _hidden_by_tcp = agent.act("write open 100");
    agent.expect_refused(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    assert_eq!(lab.peer.packets().len(), before);
    reach(&mut other);
    let agents = daemon.json(&["agents"]).to_string();
    assert!(agents.contains("under suspicion"), "{agents}");
}

#[test]
fn a_denied_connect_is_told_in_full() {
    if !privileged("a_denied_connect_is_told_in_full") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} 443"));
    agent.expect_refused(&format!("tcp d {ALLOWED_V4} 22"));
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V6} 443"));
    let told = eventually("three denials to be told", || {
        let mut events = daemon.events();
        events.retain(|event| event["kind"] == "denied");
        (events.len() == 3).then_some(events)
    });
    let fields = |event: &Value| {
        json!([
            event["verdict"],
            event["reason"],
            event["hook"],
            event["destination"]["ip"],
            event["destination"]["port"]
        ])
    };
    let seen: Vec<Value> = told.iter().map(fields).collect();
    assert_eq!(
        seen,
        [
            json!(["deny", "no-rule", "connect4", FORBIDDEN_V4, 443]),
            json!(["deny", "no-port", "connect4", ALLOWED_V4, 22]),
            json!(["deny", "no-rule", "connect6", FORBIDDEN_V6, 443]),
        ]
    );
    for event in &told {
        assert_eq!((&event["agent"], &event["proto"]), (&json!("worker"), &json!("tcp")));
        assert_eq!(event["process"]["pid"], agent.pid());
        assert_eq!(event["process"]["comm"], "lab-agent");
        assert_eq!((&event["process"]["uid"], &event["suppressed"]), (&json!(0), &json!(0)));
        assert!(event["process"]["exe"].as_str().is_some_and(|exe| exe.ends_with("/lab-agent")));
        assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
        assert_eq!(event["policy_generation"], daemon.json(&["status"])["generation"]);
    }
}

#[test]
fn a_denied_connect_moves_its_counters_and_no_others() {
    if !privileged("a_denied_connect_moves_its_counters_and_no_others") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    // That it is ready is an event of its own, and comes a little later.
    let is_ready =
        |event: &Value| event["message"].as_str().is_some_and(|m| m.starts_with("ready"));
    eventually("the news", || daemon.events().iter().any(is_ready).then_some(()));
    let before = daemon.metrics();
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} 443"));
    agent.expect_ok(&format!("udp unconnected {ALLOWED_V4} {SINK_PORT} 5"));
    let events = "enforcer_events_total{kind=\"denied\"}";
    let after = daemon.metrics_when("the event", |now| now.get(events) - before.get(events) == 1.0);
    expect(
        &before,
        &after,
        &[
            (events, Change::Is(1)),
            ("enforcer_connections_total{agent=\"worker\",verdict=\"deny\"}", Change::Is(1)),
            ("enforcer_violations_total{agent=\"worker\",reason=\"no-rule\"}", Change::Is(1)),
            (
                "enforcer_packets_total{agent=\"worker\",reason=\"rule\",verdict=\"allow\"}",
                Change::Is(5),
            ),
            ("enforcer_bytes_total{agent=\"worker\",verdict=\"allow\"}", Change::Is(5 * 60)),
        ],
    );
}

#[test]
fn audit_mode_tells_and_drops_nothing() {
    if !privileged("audit_mode_tells_and_drops_nothing") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("mode = \"audit\"\n{BASIC}{TRIPWIRE}"));
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    for _ in 0..5 {
        agent.expect_ok(&format!("tcp d {FORBIDDEN_V4} {SINK_PORT}"));
    }
    reach(&mut agent);
    eventually("the shadows to be told", || {
        let events = daemon.events();
        let of = |kind: &str| events.iter().filter(|e| e["kind"] == kind).count();
        (of("would-deny") >= 5 && of("denied") == 0).then_some(())
    });
}

fn reach(agent: &mut Agent) {
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
}

fn violate(agent: &mut Agent, times: u64) {
    for _ in 0..times {
        agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} {SINK_PORT}"));
    }
}
