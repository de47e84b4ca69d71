//! What an agent reaches, over every hook, from every cgroup, daemon or not;
//! the peer is asked what arrived.

use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, Agent, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, FORBIDDEN_V6, Lab,
    OTHER_PORT, SINK_PORT, privileged,
};

const ALLOWED: [&str; 3] = [ALLOWED_V4, ALLOWED_V6, "::ffff:10.77.0.2"];
const FORBIDDEN: [&str; 3] = [FORBIDDEN_V4, FORBIDDEN_V6, "::ffff:10.77.0.3"];
/// "At once": far below any time-out, far above a busy machine's hiccup.
const AT_ONCE_NS: u64 = 500_000_000;

#[test]
fn an_agent_reaches_what_its_policy_names_and_nothing_else() {
    if !privileged("an_agent_reaches_what_its_policy_names_and_nothing_else") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    check_all_cgroups(&lab);
    daemon.kill9();
    check_all_cgroups(&lab);
    // Not even its first process ran before it was covered.
    expect_nothing_reached(&mut lab.agent("made-while-the-daemon-is-dead"));
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V6), []);
    let to_other_port: Vec<_> =
        lab.peer.packets().into_iter().filter(|p| p.dport == OTHER_PORT).collect();
    assert_eq!(to_other_port, []);
}

#[test]
fn a_policy_that_comes_later_lets_its_cgroup_out() {
    if !privileged("a_policy_that_comes_later_lets_its_cgroup_out") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let mut newcomer = lab.agent("newcomer");
    expect_nothing_reached(&mut newcomer);
    lab.write_policy("newcomer", BASIC);
    daemon.ok(&["reload"]);
    daemon.wait_ready();
    expect_policy_holds(&lab, &mut newcomer);
}

#[test]
fn a_raw_socket_is_refused_even_to_root() {
    if !privileged("a_raw_socket_is_refused_even_to_root") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    lab.agent("worker").expect_refused("raw");
}

fn check_all_cgroups(lab: &Lab) {
    expect_policy_holds(lab, &mut lab.agent("worker"));
    expect_policy_holds(lab, &mut lab.agent("worker/nested/deeper"));
    expect_nothing_reached(&mut lab.agent("sibling"));
}

fn expect_policy_holds(lab: &Lab, agent: &mut Agent) {
    let before = lab.peer.tcp_bytes(SINK_PORT);
    for address in ALLOWED {
        agent.expect_ok(&format!("tcp c {address} {SINK_PORT}"));
        agent.expect_ok("write c 100");
        agent.expect_ok(&format!("udp-echo {address} {ECHO_PORT}"));
        let sent = agent.expect_ok(&format!("udp connected {address} {SINK_PORT} 2"));
        assert_eq!(sent.number("sent"), 2);
        expect_denied(agent, address, OTHER_PORT);
    }
    for address in [ALLOWED_V4, ALLOWED_V6] {
        agent.expect_ok(&format!("ping connected {address}"));
        agent.expect_ok(&format!("ping unconnected {address}"));
    }
    for address in FORBIDDEN {
        expect_denied(agent, address, SINK_PORT);
    }
    for address in [FORBIDDEN_V4, FORBIDDEN_V6] {
        agent.expect_refused(&format!("ping connected {address}"));
    }
    agent.expect_refused(&format!("ping unconnected {FORBIDDEN_V4}"));
    // The kernel's `ping_v6_sendmsg` drops the error of a refused packet; that
    // nothing arrived is for the peer to say.
    let answer = agent.act(&format!("ping unconnected {FORBIDDEN_V6}"));
    assert_eq!(answer.errno(), "EAGAIN", "{}", answer.0);
    enforcer_tests::eventually("the peer to have read what TCP brought", || {
        (lab.peer.tcp_bytes(SINK_PORT) == before + 300).then_some(())
    });
}

/// TCP, connected and unconnected UDP fail with `EPERM`, at once.
fn expect_denied(agent: &mut Agent, address: &str, port: u16) {
    for words in [format!("tcp d {address} {port}"), format!("udp connected {address} {port} 1")] {
        let answer = agent.act(&words);
        assert_eq!(answer.errno(), "EPERM", "{words}: {}", answer.0);
        assert!(answer.took_ns() < AT_ONCE_NS, "{words} took {} ns", answer.took_ns());
    }
    let answer = agent.expect_ok(&format!("udp unconnected {address} {port} 3"));
    assert_eq!(answer.errors("EPERM"), 3, "{address} {port}: {}", answer.0);
}

/// A process that belongs to no agent cannot even make a socket.
fn expect_nothing_reached(agent: &mut Agent) {
    for address in ALLOWED.iter().chain(&FORBIDDEN) {
        agent.expect_refused(&format!("tcp c {address} {SINK_PORT}"));
        agent.expect_refused(&format!("udp unconnected {address} {SINK_PORT} 1"));
    }
    for address in [ALLOWED_V4, ALLOWED_V6] {
        agent.expect_refused(&format!("ping connected {address}"));
    }
}
