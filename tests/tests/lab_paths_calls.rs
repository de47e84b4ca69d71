//! Every call that names a destination, judged whatever its shape. Closed by the
//! cgroup programs alone.

use enforcer_common::Reason;
use enforcer_tests::ledger::expect_refusals;
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, Agent, BASIC, Daemon, FORBIDDEN_V4, FORBIDDEN_V6, Lab, OTHER_PORT,
    SINK_PORT, eventually, privileged,
};

/// `AF_UNSPEC` instead of `AF_INET`, IPv4 addresses on IPv6 sockets.
const ONLY_V4: [&str; 3] = ["unspec", "v4-on-v6", "v4-connect-on-v6"];
/// Data in the SYN by a flag and by an option, a port bound before, `connect`
/// without waiting, a datagram of 41 fragments, five datagrams in one.
const WAYS: [&str; 6] = ["fastopen", "fastopen-connect", "bound", "waiting", "big", "segments"];
/// Family, type and protocol: raw of several kinds, the old packet type, MPTCP,
/// SCTP, UDP-Lite, SMC. Every supported kernel has the first eight.
const UNJUDGED: [&str; 14] = [
    "2 3 1", "2 3 17", "2 3 253", "2 3 255", "10 3 17", "10 3 58", "10 3 255", "2 1 262",
    "10 1 262", "2 1 132", "2 5 132", "2 2 136", "10 2 136", "2 1 256",
];

#[test]
fn no_way_to_name_a_destination_goes_past_the_judge() {
    if !privileged("no_way_to_name_a_destination_goes_past_the_judge") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    lab.far.sysctl("ipv4/tcp_fastopen", "1538");
    lab.host.sysctl("ipv4/tcp_fastopen", "5");
    for way in ONLY_V4.iter().chain(&WAYS) {
        expect_judged(&lab, &mut agent, way, [ALLOWED_V4, FORBIDDEN_V4]);
    }
    for way in WAYS {
        expect_judged(&lab, &mut agent, way, [ALLOWED_V6, FORBIDDEN_V6]);
    }
    let tried = (ONLY_V4.len() + 2 * WAYS.len()) as u64;
    expect_refusals(&lab, &[(Reason::NoRule, tried), (Reason::NoPort, tried)]);
    expect_nothing_forbidden(&lab);
}

#[test]
fn a_socket_that_turns_elsewhere_is_judged_anew() {
    if !privileged("a_socket_that_turns_elsewhere_is_judged_anew") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_refused(&format!("reconnect c {FORBIDDEN_V4} {SINK_PORT}"));
    agent.expect_refused(&format!("reconnect c {ALLOWED_V4} {OTHER_PORT}"));
    agent.expect_ok(&format!("reconnect c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_ok("write c 100");
    eventually("its bytes", || (lab.peer.tcp_bytes(SINK_PORT) == 100).then_some(()));
    agent.expect_ok(&format!("udp-open u {ALLOWED_V4} {SINK_PORT}"));
    for how in ["at-once", "by-nowhere"] {
        agent.expect_refused(&format!("turn {how} u {FORBIDDEN_V4} {SINK_PORT}"));
        agent.expect_refused(&format!("udp-send-to u {FORBIDDEN_V4} {SINK_PORT}"));
        agent.expect_ok(&format!("turn {how} u {ALLOWED_V4} {SINK_PORT}"));
        agent.expect_ok("udp-send u");
    }
    // A datagram begun to one address and ended to another goes to the first.
    let before = lab.peer.packets_to(ALLOWED_V4).len();
    agent.expect_ok(&format!("aim more {FORBIDDEN_V4} {SINK_PORT}"));
    expect_more(&lab, ALLOWED_V4, before);
    expect_refusals(&lab, &[(Reason::NoRule, 5), (Reason::NoPort, 1)]);
    expect_nothing_forbidden(&lab);
}

#[test]
fn a_batch_of_datagrams_ends_at_the_first_denied_one() {
    if !privileged("a_batch_of_datagrams_ends_at_the_first_denied_one") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let (good, bad) = (ALLOWED_V4, FORBIDDEN_V4);
    for (batch, sent) in [
        (format!("{good},{good}"), Some(2)),
        (format!("{good},{bad},{good}"), Some(1)),
        (format!("{bad},{good}"), None),
    ] {
        let answer = agent.act(&format!("batch {batch} {SINK_PORT}"));
        assert_eq!(answer.0["sent"].as_u64(), sent, "{}", answer.0);
    }
    assert_eq!(lab.peer.packets_to(good).len(), 3);
    expect_refusals(&lab, &[(Reason::NoRule, 2)]);
    expect_nothing_forbidden(&lab);
}

#[test]
fn sockets_whose_packets_nobody_could_judge_cannot_be_made() {
    if !privileged("sockets_whose_packets_nobody_could_judge_cannot_be_made") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let mut refused = 0;
    for (at, socket) in UNJUDGED.iter().enumerate() {
        let answer = agent.act(&format!("socket {socket}"));
        let missing = ["EPROTONOSUPPORT", "ESOCKTNOSUPPORT"].contains(&answer.errno());
        assert!(answer.errno() == "EPERM" || at > 8 && missing, "{socket}: {}", answer.0);
        refused += u64::from(!missing);
    }
    for judged in ["2 1 0", "2 2 0", "10 1 6", "10 2 17", "2 2 1", "10 2 58"] {
        agent.expect_ok(&format!("socket {judged}"));
    }
    expect_refusals(&lab, &[(Reason::SocketType, refused)]);
}

#[test]
fn icmp_is_never_implied_by_an_address() {
    if !privileged("icmp_is_never_implied_by_an_address") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &BASIC.replace(", \"icmp\"", ""));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("udp-echo {ALLOWED_V4} 5000"));
    agent.expect_refused(&format!("ping connected {ALLOWED_V4}"));
    agent.expect_refused(&format!("ping connected {ALLOWED_V6}"));
    agent.expect_refused(&format!("ping unconnected {ALLOWED_V4}"));
    expect_refusals(&lab, &[(Reason::NoPort, 3)]);
    assert!(lab.peer.packets().iter().all(|packet| packet.proto == 17));
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab
}

/// Arrives where it is allowed; neither at another address nor at another port.
#[track_caller]
fn expect_judged(lab: &Lab, agent: &mut Agent, way: &str, [allowed, forbidden]: [&str; 2]) {
    let before = lab.peer.packets_to(allowed).len();
    agent.expect_ok(&format!("aim {way} {allowed} {SINK_PORT}"));
    expect_more(lab, allowed, before);
    agent.expect_refused(&format!("aim {way} {forbidden} {SINK_PORT}"));
    agent.expect_refused(&format!("aim {way} {allowed} {OTHER_PORT}"));
}

#[track_caller]
fn expect_more(lab: &Lab, address: &str, than: usize) {
    eventually("something to arrive", || (lab.peer.packets_to(address).len() > than).then_some(()));
}

#[track_caller]
fn expect_nothing_forbidden(lab: &Lab) {
    let mut packets = lab.peer.packets();
    let forbidden = [FORBIDDEN_V4, FORBIDDEN_V6];
    packets.retain(|p| p.dport == OTHER_PORT || forbidden.contains(&p.dst.to_string().as_str()));
    assert_eq!(packets, []);
}
