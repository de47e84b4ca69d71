//! Cut means cut: established sockets of an agent that is cut off, and such as
//! a narrowed policy denies, end at both ends.

use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, Agent, Answer, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, Lab, SINK_PORT,
    TRIPWIRE, binaries, cgroup, eventually, now_ns, privileged,
};
use nix::errno::Errno;

/// Both ends see the end within it.
fn soon_ns() -> u64 {
    // An emulated processor is slow, and no slower for an end that never comes.
    if std::env::var_os("ENFORCER_GUEST").is_some() { 20_000_000_000 } else { 1_000_000_000 }
}
/// Only the allowed address's first port.
const NARROWED: &str =
    "[[allow]]\nto = [\"10.77.0.2/32\", \"fd77::2/128\"]\nports = [\"tcp/5000\"]\n";

#[test]
fn a_quarantine_ends_an_established_connection_at_both_ends() {
    if !privileged("a_quarantine_ends_an_established_connection_at_both_ends") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    for address in [ALLOWED_V4, ALLOWED_V6] {
        let mut agent = lab.agent("worker");
        streaming(&lab, &mut agent, "c", address, SINK_PORT);
        let ended_before = lab.peer.endings(SINK_PORT).len();
        let before = now_ns();
        let told = daemon.ok(&["quarantine", "worker", "--reason", "under suspicion"]);
        assert!(told.contains("1 open socket destroyed"), "{told}");
        expect_cut(&agent.finish(), before);
        expect_reset(&lab, SINK_PORT, ended_before, before);
        expect_only_resets_since(&lab, quarantined_at(&lab));
        agent.expect_refused(&format!("tcp d {address} {SINK_PORT}"));
        daemon.ok(&["release", "worker"]);
    }
    let told = disconnections(&daemon);
    assert_eq!(told.len(), 2, "{told:?}");
    for (event, address) in told.iter().zip([ALLOWED_V4, ALLOWED_V6]) {
        assert_eq!((&event["agent"], &event["sockets"]), (&"worker".into(), &1.into()));
        assert!(event["message"].as_str().is_some_and(|m| m.contains(address)), "{event}");
    }
}

#[test]
fn the_tripwire_ends_established_connections_of_the_whole_agent() {
    if !privileged("the_tripwire_ends_established_connections_of_the_whole_agent") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    lab.write_policy("other", BASIC);
    let daemon = Daemon::start(&lab);
    let (mut nested, mut elsewhere) = (lab.agent("worker/deep/down"), in_the_peers_namespace(&lab));
    let (mut other, mut violator) = (lab.agent("other"), lab.agent("worker"));
    streaming(&lab, &mut nested, "c", ALLOWED_V4, SINK_PORT);
    elsewhere.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    elsewhere.begin("stream c 1000 500 20");
    other.expect_ok(&format!("tcp c {ALLOWED_V4} {ECHO_PORT}"));
    let before = now_ns();
    let answer = violator.expect_ok(&format!("udp unconnected {FORBIDDEN_V4} {SINK_PORT} 3"));
    assert_eq!(answer.errors("EPERM"), 3);
    expect_cut(&nested.finish(), before);
    expect_cut(&elsewhere.finish(), before);
    expect_reset(&lab, SINK_PORT, 1, before);
    let of_worker = |event: &serde_json::Value| event["agent"] == "worker";
    let told = eventually("the end to be told", || {
        let told = disconnections(&daemon);
        (!told.is_empty()).then_some(told)
    });
    assert!(told.iter().all(of_worker), "{told:?}");
    assert_eq!(told[0]["sockets"], 2, "{told:?}");
    // Somebody else's connection has not noticed.
    other.expect_ok("write c 1000");
    assert_eq!(lab.peer.endings(ECHO_PORT), []);
}

#[test]
fn a_quarantine_ends_connected_udp_and_listeners() {
    if !privileged("a_quarantine_ends_connected_udp_and_listeners") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    for (name, address) in [("four", ALLOWED_V4), ("six", ALLOWED_V6)] {
        agent.expect_ok(&format!("udp-open {name} {address} {SINK_PORT}"));
        agent.expect_ok(&format!("udp-send {name}"));
    }
    let mut server = lab.agent("worker/server");
    server.expect_ok("listen l 7000");
    server.begin("accept l");
    agent.begin("udp-wait four 20");
    let before = now_ns();
    daemon.ok(&["quarantine", "worker", "--reason", "under suspicion"]);
    let answer = agent.finish();
    assert_eq!(answer.errno(), "ECONNABORTED", "{}", answer.0);
    assert!(answer.number("end_ns") - before < soon_ns(), "{}", answer.0);
    assert_eq!(agent.act("udp-wait six 20").errno(), "ECONNABORTED");
    assert!(!agent.act("udp-send six").ok());
    assert_eq!(server.finish().errno(), "EINVAL", "it is no listener any more");
    assert_eq!(disconnections(&daemon)[0]["sockets"], 3);
}

#[test]
fn a_narrowed_policy_ends_what_it_denies_and_nothing_else() {
    if !privileged("a_narrowed_policy_ends_what_it_denies_and_nothing_else") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let (mut kept, mut cut) = (lab.agent("worker"), lab.agent("worker"));
    streaming(&lab, &mut kept, "c", ALLOWED_V4, ECHO_PORT);
    streaming(&lab, &mut cut, "c", ALLOWED_V4, SINK_PORT);
    let mut udp = lab.agent("worker");
    udp.expect_ok(&format!("udp-open u {ALLOWED_V4} {SINK_PORT}"));
    lab.write_policy("worker", NARROWED);
    let before = now_ns();
    daemon.ok(&["reload"]);
    expect_cut(&cut.finish(), before);
    expect_reset(&lab, SINK_PORT, 0, before);
    assert_eq!(udp.act("udp-wait u 20").errno(), "ECONNABORTED");
    let bytes = lab.peer.tcp_bytes(ECHO_PORT);
    eventually("the allowed connection to go on", || {
        (lab.peer.tcp_bytes(ECHO_PORT) > bytes + 10_000).then_some(())
    });
    assert_eq!(lab.peer.endings(ECHO_PORT), []);
    let told = disconnections(&daemon);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["sockets"], 2, "{told:?}");
}

#[test]
fn a_policy_that_is_gone_ends_what_its_agent_had_open() {
    if !privileged("a_policy_that_is_gone_ends_what_its_agent_had_open") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("other", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    streaming(&lab, &mut agent, "c", ALLOWED_V4, SINK_PORT);
    std::fs::remove_file(lab.path("policies.d/worker.toml")).expect("remove the policy");
    let before = now_ns();
    daemon.ok(&["reload"]);
    expect_cut(&agent.finish(), before);
    expect_reset(&lab, SINK_PORT, 0, before);
}

#[test]
fn a_dead_daemons_cut_is_made_by_the_next_one() {
    if !privileged("a_dead_daemons_cut_is_made_by_the_next_one") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let mut daemon = Daemon::start(&lab);
    let (mut agent, mut violator) = (lab.agent("worker"), lab.agent("worker"));
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    daemon.kill9();
    violator.expect_ok(&format!("udp unconnected {FORBIDDEN_V4} {SINK_PORT} 3"));
    let before = now_ns();
    agent.begin("stream c 1000 500 60");
    daemon.restart();
    let answer = agent.finish();
    assert_eq!(answer.0["failed"], "ECONNABORTED", "{}", answer.0);
    eventually("the peer to see it", || {
        lab.peer.endings(SINK_PORT).iter().find(|end| end.error == Some(Errno::ECONNRESET)).copied()
    });
    expect_only_resets_since(&lab, before);
}

/// Lets the agent write without end, and waits until the peer reads it.
fn streaming(lab: &Lab, agent: &mut Agent, name: &str, address: &str, port: u16) {
    let bytes = lab.peer.tcp_bytes(port);
    agent.expect_ok(&format!("tcp {name} {address} {port}"));
    agent.begin(&format!("stream {name} 1000 500 20"));
    eventually("the stream to arrive", || {
        (lab.peer.tcp_bytes(port) > bytes + 10_000).then_some(())
    });
}

/// An agent's process in the peer's network namespace, as root could bring one
/// there.
fn in_the_peers_namespace(lab: &Lab) -> Agent {
    let mut command = std::process::Command::new(binaries::lab_agent());
    lab.far.put(&mut command);
    Agent::of(cgroup::put(&mut command, &lab.cgroup("worker")))
}

#[track_caller]
fn expect_cut(answer: &Answer, since: u64) {
    let failed = answer.0["failed"].as_str().unwrap_or_default();
    assert!(["ECONNABORTED", "EPERM", "EPIPE"].contains(&failed), "{}", answer.0);
    let took = answer.number("failed_ns") - since;
    println!("measured: the agent saw {failed} after {} ms", took / 1_000_000);
    assert!(took < soon_ns(), "the agent saw its end after {took} ns");
}

/// The peer's connections that ended after the first `skip` were reset.
#[track_caller]
fn expect_reset(lab: &Lab, port: u16, skip: usize, since: u64) {
    let end = eventually("the peer to see the end", || lab.peer.endings(port).get(skip).copied());
    assert_eq!(end.error, Some(Errno::ECONNRESET));
    let took = end.ns - since;
    println!("measured: the peer saw the end after {} ms", took / 1_000_000);
    assert!(took < soon_ns(), "the peer saw the end after {took} ns");
}

/// One packet may have been judged just before.
#[track_caller]
fn expect_only_resets_since(lab: &Lab, ns: u64) {
    let late = lab.peer.packets_after(ns);
    let others: Vec<_> = late.iter().filter(|packet| !packet.bare_reset).collect();
    assert!(late.iter().any(|packet| packet.bare_reset), "no reset left: {late:#?}");
    assert!(others.len() <= 1, "left after the quarantine at {ns}: {others:#?}");
}

fn quarantined_at(lab: &Lab) -> u64 {
    enforcer_tests::pins::state(lab, "worker").quarantined_at_ns
}

fn disconnections(daemon: &Daemon<'_>) -> Vec<serde_json::Value> {
    let mut events = daemon.events();
    events.retain(|event| event["kind"] == "disconnected");
    events
}
