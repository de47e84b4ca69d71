//! Rules over what an agent is allowed to do: counters, addresses, its past.

use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, eventually, privileged,
};
use serde_json::Value;

#[test]
fn an_agent_that_sends_more_than_it_could_have_to_say_is_cut_off() {
    if !privileged("an_agent_that_sends_more_than_it_could_have_to_say_is_cut_off") {
        return;
    }
    let lab = Lab::new();
    let rule = respond(r#"event = "bytes", over = "100kB", within = "1h""#, "quarantine");
    lab.write_policy("worker", &format!("{BASIC}{rule}"));
    lab.write_policy("other", &format!("{BASIC}{rule}"));
    let daemon = Daemon::start(&lab);
    let (mut agent, mut other) = (lab.agent("worker"), lab.agent("other"));
    for agent in [&mut other, &mut agent] {
        agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    }
    other.expect_ok("write c 10000");
    agent.expect_ok("write c 60000");
    daemon.metrics_when("the first bytes", |m| m.get(&sent("worker")) > 60_000.0);
    agent.expect_ok("write c 60000");
    let finding = cut_off(&daemon, "worker");
    assert!(finding.contains("bytes in 1h"), "{finding}");
    agent.expect_refused(&format!("tcp d {ALLOWED_V4} {SINK_PORT}"));
    other.expect_ok(&format!("tcp d {ALLOWED_V4} {SINK_PORT}"));
    let cut = events(&daemon, "quarantined");
    assert_eq!(cut.len(), 1, "{cut:?}");
    assert_eq!(events(&daemon, "denied").iter().filter(|e| e["reason"] == "no-rule").count(), 0);
    assert!(lab.peer.packets_to(FORBIDDEN_V4).is_empty());
}

#[test]
fn an_agent_that_goes_through_its_addresses_is_cut_off() {
    if !privileged("an_agent_that_goes_through_its_addresses_is_cut_off") {
        return;
    }
    let lab = Lab::new();
    let rule = respond(r#"event = "destinations", count = 2, within = "1h""#, "quarantine");
    lab.write_policy("worker", &format!("{BASIC}{rule}"));
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    for connection in ["a", "b", "c"] {
        agent.expect_ok(&format!("tcp {connection} {ALLOWED_V4} {SINK_PORT}"));
    }
    eventually("the connections to be seen", || {
        (events(&daemon, "connected").len() >= 3).then_some(())
    });
    assert_eq!(events(&daemon, "quarantined"), Vec::<Value>::new());
    agent.expect_ok(&format!("tcp d {ALLOWED_V6} {SINK_PORT}"));
    let finding = cut_off(&daemon, "worker");
    assert!(finding.contains("2 addresses"), "{finding}");
    agent.expect_refused(&format!("tcp e {ALLOWED_V4} {SINK_PORT}"));
}

#[test]
fn what_an_agent_is_used_to_outlives_the_daemon() {
    if !privileged("what_an_agent_is_used_to_outlives_the_daemon") {
        return;
    }
    let lab = Lab::new();
    let when = r#"event = "new-destination", count = 1, within = "1h", learn = "1ms""#;
    lab.write_policy("worker", &format!("{BASIC}{}", respond(when, "alert")));
    let mut daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    // The first one is where learning begins.
    agent.expect_ok(&format!("tcp a {ALLOWED_V4} {SINK_PORT}"));
    eventually("the connection to be seen", || {
        (!events(&daemon, "connected").is_empty()).then_some(())
    });
    assert!(daemon.stop(), "{}", daemon.log());
    daemon.spawn();
    daemon.wait_ready();
    agent.expect_ok(&format!("tcp b {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_ok(&format!("tcp c {ALLOWED_V6} {SINK_PORT}"));
    let alerts = eventually("the alert", || {
        let alerts = alerts(&daemon);
        (!alerts.is_empty()).then_some(alerts)
    });
    let [only] = &alerts[..] else { panic!("one alert, not {alerts:?}") };
    assert!(only.contains("for the first time") && only.contains(ALLOWED_V6), "{only}");
    assert_eq!(events(&daemon, "connected").len(), 2);
}

fn respond(when: &str, step: &str) -> String {
    format!("\n[[respond]]\nwhen = {{ {when} }}\ndo = [\"{step}\", \"alert\"]\n")
}

fn sent(agent: &str) -> String {
    format!("enforcer_bytes_total{{agent=\"{agent}\",verdict=\"allow\"}}")
}

/// Waits for the quarantine, and returns what was told of it.
fn cut_off(daemon: &Daemon<'_>, agent: &str) -> String {
    let series = format!("enforcer_quarantined{{agent=\"{agent}\"}}");
    daemon.metrics_when("the quarantine", |m| m.get(&series) == 1.0);
    eventually("the alert", || alerts(daemon).pop())
}

fn alerts(daemon: &Daemon<'_>) -> Vec<String> {
    let alerts = events(daemon, "daemon").into_iter().filter(|event| event["reason"] == "alert");
    alerts.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn events(daemon: &Daemon<'_>, kind: &str) -> Vec<Value> {
    daemon.events().into_iter().filter(|event| event["kind"] == kind).collect()
}
