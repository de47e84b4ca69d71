//! Packets that the kernel itself would send: groups that are joined, and the
//! search for a neighbour's address. Closed by the cgroup programs alone.

use enforcer_common::Reason;
use enforcer_tests::ledger::expect_refusals;
use enforcer_tests::tap::Tap;
use enforcer_tests::{
    Agent, BASIC, Daemon, Lab, OTHER_PORT, SINK_PORT, binaries, eventually, privileged,
};

/// How, which group, and the bytes by which the kernel's report is known.
const JOINS: [(&str, &str, &[u8]); 6] = [
    ("member", "239.77.1.1", &[239, 77, 1, 1]),
    ("of-source", "232.77.1.2", &[232, 77, 1, 2]),
    ("protocol-free", "239.77.1.3", &[239, 77, 1, 3]),
    ("member", "ff15::77:104", &[0, 0x77, 1, 4]),
    ("anycast", "fd77::77:105", &[0xff, 0x77, 1, 5]),
    ("protocol-free", "ff15::77:106", &[0, 0x77, 1, 6]),
];

#[test]
fn no_group_is_joined_so_the_kernel_reports_none() {
    if !privileged("no_group_is_joined_so_the_kernel_reports_none") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let mut tap = Tap::start(&lab.far);
    let mut agent = lab.agent("worker");
    for (how, group, bytes) in JOINS {
        agent.expect_refused(&format!("join {how} {group} wire"));
        assert!(!tap.saw_before_next(&mut agent, bytes), "{how} {group} was reported");
    }
    expect_refusals(&lab, &[(Reason::SocketOption, JOINS.len() as u64)]);
    // Nobody is kept from it who is no agent, and then the wire tells.
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    for (how, group, bytes) in JOINS {
        outside.expect_ok(&format!("join {how} {group} wire"));
        eventually("the kernel's report", || tap.saw(bytes).then_some(()));
    }
}

#[test]
fn the_search_for_a_denied_neighbour_says_nothing() {
    if !privileged("the_search_for_a_denied_neighbour_says_nothing") {
        return;
    }
    let lab = Lab::new();
    let rule = "[[allow]]\nto = [\"10.77.0.98/32\", \"fd77::98/128\"]\nports = [\"udp/5001\"]\n";
    lab.write_policy("worker", &format!("{BASIC}{rule}"));
    let _daemon = Daemon::start(&lab);
    let mut tap = Tap::start(&lab.far);
    let mut agent = lab.agent("worker");
    for (address, bytes) in [("10.77.0.99", &V4_DENIED[..]), ("fd77::99", &V6_DENIED)] {
        for how in ["unconnected", "connected"] {
            let _refused = agent.act(&format!("udp {how} {address} {SINK_PORT} 1"));
        }
        assert!(!tap.saw_before_next(&mut agent, bytes), "somebody asked for {address}");
    }
    for (address, bytes) in [("10.77.0.98", &V4_ALLOWED[..]), ("fd77::98", &V6_ALLOWED)] {
        agent.expect_ok(&format!("udp unconnected {address} {SINK_PORT} 1"));
        eventually("the question for an allowed neighbour", || tap.saw(bytes).then_some(()));
    }
    expect_refusals(&lab, &[(Reason::NoRule, 4)]);
}

const V4_DENIED: [u8; 4] = [10, 77, 0, 99];
const V4_ALLOWED: [u8; 4] = [10, 77, 0, 98];
/// The ends of `fd77::99` and `fd77::98`.
const V6_DENIED: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0x99];
const V6_ALLOWED: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0x98];

#[test]
fn groups_and_everybody_are_destinations_like_any_other() {
    if !privileged("groups_and_everybody_are_destinations_like_any_other") {
        return;
    }
    let lab = Lab::new();
    let rule =
        "[[allow]]\nto = [\"239.77.2.1/32\", \"ff15::77:201/128\"]\nports = [\"udp/5001\"]\n";
    lab.write_policy("worker", &format!("{BASIC}{rule}"));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let denied = ["239.77.2.2", "224.0.0.1", "ff15::77:202", "10.77.0.255", "255.255.255.255"];
    for address in denied {
        agent.expect_refused(&format!("udp-to-all {address} {SINK_PORT}"));
    }
    for address in ["239.77.2.1", "ff15::77:201"] {
        agent.expect_refused(&format!("udp-to-all {address} {OTHER_PORT}"));
        agent.expect_ok(&format!("udp-to-all {address} {SINK_PORT}"));
        eventually("it to arrive", || (lab.peer.packets_to(address).len() == 1).then_some(()));
    }
    let asked: Vec<_> = denied.iter().flat_map(|address| lab.peer.packets_to(address)).collect();
    assert_eq!(asked, []);
    expect_refusals(&lab, &[(Reason::NoRule, denied.len() as u64), (Reason::NoPort, 2)]);
}
