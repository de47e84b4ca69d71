//! Kernel programs of the agent's own. Those of the enforced root are asked
//! whatever hangs below it; `bpf(2)` itself is refused by the other layers.

use enforcer_common::Reason;
use enforcer_tests::confined::{self, expect_closed};
use enforcer_tests::ledger::expect_refusals;
use enforcer_tests::{
    ALLOWED_V4, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, Lab, SINK_PORT, eventually, privileged,
};

const WAYS: [&str; 4] = ["link", "alone", "override", "multi"];

#[test]
fn a_program_that_allows_everything_allows_nothing_more() {
    if !privileged("a_program_that_allows_everything_allows_nothing_more") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let mut agent = confined::only_hooks(&lab, &mut daemon);
    for way in WAYS {
        let child = lab.cgroup("worker").join(way);
        agent.expect_ok(&format!("change mkdir {}", child.display()));
        agent.expect_ok(&format!("own-program {way} {}", child.display()));
        agent.expect_ok(&format!("put {}/cgroup.procs 0", child.display()));
        agent.expect_refused(&format!("tcp c {FORBIDDEN_V4} {SINK_PORT}"));
        agent.expect_refused(&format!("udp connected {FORBIDDEN_V4} {SINK_PORT} 1"));
        agent.expect_refused(&format!("ping unconnected {FORBIDDEN_V4}"));
        agent.expect_ok(&format!("udp-echo {ALLOWED_V4} {ECHO_PORT}"));
    }
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
    expect_refusals(&lab, &[(Reason::NoRule, 3 * WAYS.len() as u64)]);
}

#[test]
fn no_agent_loads_a_program() {
    if !privileged("no_agent_loads_a_program") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let own = lab.cgroup("worker");
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        for way in WAYS {
            expect_closed(layer, &mut agent, &format!("own-program {way} {}", own.display()));
        }
    }
    eventually("the daemon to be ready still", || {
        (daemon.json(&["status"])["ready"] == true).then_some(())
    });
}
