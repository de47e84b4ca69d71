//! After a reboot nothing is pinned, and what was cut off is cut off again.

use enforcer_tests::{
    ALLOWED_V4, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, TRIPWIRE, eventually, privileged,
};

#[test]
fn quarantines_outlive_the_pins() {
    if !privileged("quarantines_outlive_the_pins") {
        return;
    }
    let lab = Lab::new();
    for agent in ["tripped", "suspect", "free"] {
        lab.write_policy(agent, &format!("{BASIC}{TRIPWIRE}"));
    }
    let mut daemon = Daemon::start(&lab);
    daemon.ok(&["quarantine", "suspect", "--reason", "under suspicion"]);
    let violations = format!("udp unconnected {FORBIDDEN_V4} {SINK_PORT} 3");
    assert_eq!(lab.agent("tripped").expect_ok(&violations).errors("EPERM"), 3);
    // As `agents` has it from the disk.
    eventually("the kernel's quarantine to be on record", || {
        daemon.json(&["agents"]).to_string().contains("denied 3 times").then_some(())
    });
    daemon.ok(&["detach", "--yes-stop-enforcing"]);
    assert!(daemon.stop(), "{}", daemon.log());
    daemon.restart();
    assert_eq!(daemon.json(&["status"])["adopted"], false);
    for agent in ["tripped", "suspect"] {
        lab.agent(agent).expect_refused(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
        let again = |event: &serde_json::Value| {
            event["agent"] == agent
                && event["kind"] == "quarantined"
                && event["message"].as_str().is_some_and(|m| m.contains("since a restart"))
        };
        assert!(daemon.events().iter().any(again), "{agent}");
    }
    lab.agent("free").expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
}
