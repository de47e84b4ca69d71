//! Hosts that would pass something on without knowing it: services on loopback,
//! and whoever answers a forged sender. Closed by the cgroup programs alone.

use std::net::TcpListener;

use enforcer_common::Reason;
use enforcer_tests::confined;
use enforcer_tests::ledger::expect_refusals;
use enforcer_tests::tap::Tap;
use enforcer_tests::{
    AGENT_V4, AGENT_V6, ALLOWED_V4, ALLOWED_V6, Agent, BASIC, Daemon, ECHO_PORT, Lab, binaries,
    eventually, privileged,
};

/// Every spelling of the host itself; the kernel takes the first two for loopback.
const HERE: [&str; 8] =
    ["0.0.0.0", "::", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", AGENT_V4, AGENT_V6];

#[test]
fn the_host_itself_is_a_destination_like_any_other() {
    if !privileged("the_host_itself_is_a_destination_like_any_other") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let _deputy = lab.host.run(|| TcpListener::bind("[::]:3128").expect("listen"));
    let mut agent = lab.agent("worker");
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    for address in HERE {
        outside.expect_ok(&format!("tcp c {address} 3128"));
        agent.expect_refused(&format!("tcp c {address} 3128"));
        agent.expect_refused(&format!("udp connected {address} 3128 1"));
        let sent = agent.expect_ok(&format!("udp unconnected {address} 3128 1"));
        assert_eq!(sent.errors("EPERM"), 1, "{address}: {}", sent.0);
    }
    expect_refusals(&lab, &[(Reason::NoRule, 3 * HERE.len() as u64)]);
}

/// The address of nobody here, and how it looks in a frame.
const OTHERS_V6: &str = "fd88::1234:5678";
const OTHERS_V6_END: [u8; 6] = [0, 0, 0x12, 0x34, 0x56, 0x78];

#[test]
fn nobody_is_made_to_answer_somebody_else() {
    if !privileged("nobody_is_made_to_answer_somebody_else") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let mut tap = Tap::start(&lab.far);
    let forged = format!("in-name-of {OTHERS_V6} {ALLOWED_V6} {ECHO_PORT}");
    for mut agent in [lab.agent("worker"), confined::agent(&lab)] {
        agent.expect_refused(&forged);
        agent.expect_refused(&format!("in-name-of 198.51.100.7 {ALLOWED_V4} {ECHO_PORT}"));
        assert!(!tap.saw_before_next(&mut agent, &OTHERS_V6_END), "a forged sender got out");
        agent.expect_ok(&format!("udp-echo {ALLOWED_V6} {ECHO_PORT}"));
    }
    expect_refusals(&lab, &[(Reason::SocketOption, 4)]);
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    outside.expect_ok(&forged);
    eventually("the forged sender on the wire", || tap.saw(&OTHERS_V6_END).then_some(()));
}
