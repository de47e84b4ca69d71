//! Listeners: whoever calls from outside is served only where the agent might
//! have called. Closed by the cgroup programs alone.

use enforcer_common::Reason;
use enforcer_tests::{
    AGENT_V4, AGENT_V6, ALLOWED_V4, ALLOWED_V6, Agent, Daemon, FORBIDDEN_V4, FORBIDDEN_V6, Lab,
    binaries, pins, privileged,
};

/// Any port of the allowed addresses: a client's port is nobody's choice.
const ANY_PORT: &str = r#"
[[allow]]
to    = ["10.77.0.2/32", "fd77::2/128"]
ports = ["tcp/1-65535", "udp/1-65535"]
"#;

#[test]
fn a_listener_serves_those_whom_the_agent_may_answer() {
    if !privileged("a_listener_serves_those_whom_the_agent_may_answer") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let (mut agent, mut caller) = (lab.agent("worker"), caller(&lab));
    agent.expect_ok("listen l 8080");
    for (own, to) in [
        (FORBIDDEN_V4.to_owned(), AGENT_V4.to_owned()),
        (format!("[{FORBIDDEN_V6}]"), format!("[{AGENT_V6}]")),
    ] {
        let answer = caller.act(&format!("call-from tcp {own}:0 {to}:8080"));
        assert!(["EINPROGRESS", "ETIMEDOUT"].contains(&answer.errno()), "{}", answer.0);
    }
    agent.begin("accept l");
    caller.begin(&format!("call-from tcp {ALLOWED_V4}:0 {AGENT_V4}:8080"));
    assert!(agent.finish().ok(), "an allowed caller is accepted");
    agent.expect_ok("write l 5");
    assert_eq!(caller.finish().number("bytes"), 5);
    expect_strangers_dropped_and_no_violation(&lab);
    // Not even the answer to a handshake, which would say that the port is open.
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V6), []);
}

#[test]
fn a_server_of_datagrams_hears_and_answers_no_stranger() {
    if !privileged("a_server_of_datagrams_hears_and_answers_no_stranger") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let (mut agent, mut caller) = (lab.agent("worker"), caller(&lab));
    let port = agent.expect_ok("udp-open u :: 0").number("port");
    for (own, to) in [(FORBIDDEN_V4, AGENT_V4), (FORBIDDEN_V6, AGENT_V6)] {
        caller.begin(&format!("call-from udp {} {}", place(own, 0), place(to, port)));
        assert_eq!(agent.act("answer u").errno(), "EAGAIN", "nothing is heard of {own}");
        assert_eq!(caller.finish().errno(), "EAGAIN");
        // Told by somebody else where the stranger is, the agent gets no further.
        let mapped = if own == FORBIDDEN_V4 { format!("::ffff:{own}") } else { own.to_owned() };
        agent.expect_refused(&format!("udp-send-to u {mapped} 7777"));
    }
    for (own, to) in [(ALLOWED_V4, AGENT_V4), (ALLOWED_V6, AGENT_V6)] {
        caller.begin(&format!("call-from udp {} {}", place(own, 0), place(to, port)));
        assert_eq!(agent.expect_ok("answer u").number("bytes"), 5);
        assert_eq!(caller.finish().number("bytes"), 5);
    }
    let refused = pins::counter(&lab, Some("worker"), Reason::NoRule);
    assert_eq!((refused.packets, refused.connections), (2, 0));
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Inbound).packets, 2);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V6), []);
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write_policy("worker", ANY_PORT);
    lab
}

/// Somebody on the peer's side, of no agent.
fn caller(lab: &Lab) -> Agent {
    let mut command = std::process::Command::new(binaries::lab_agent());
    Agent::of(lab.far.put(&mut command))
}

fn place(address: &str, port: u64) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

#[track_caller]
fn expect_strangers_dropped_and_no_violation(lab: &Lab) {
    let counters = pins::counters(lab, Some("worker"));
    let reasons: Vec<_> = counters.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [Reason::Rule, Reason::Inbound]);
    assert!(counters[1].1.packets >= 2, "{counters:?}");
    assert_eq!(pins::state(lab, "worker").violations, 0);
}
