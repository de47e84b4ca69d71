//! Other network namespaces, and the routes and neighbours of one's own.

use enforcer_common::Reason;
use enforcer_tests::confined::{self, expect_closed};
use enforcer_tests::ledger::expect_refusals;
use enforcer_tests::netns::Netns;
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, FORBIDDEN_V6, Lab, SINK_PORT,
    privileged,
};

/// `RTM_NEWLINK`, `RTM_SETLINK`, `RTM_NEWADDR`, `RTM_NEWROUTE`, `RTM_NEWNEIGH`, `RTM_NEWRULE`,
/// `RTM_NEWQDISC`, `RTM_NEWTFILTER`, `RTM_NEWNSID`, `RTM_NEWNEXTHOP`, `RTM_NEWTUNNEL`.
const CHANGES: [u16; 11] = [16, 19, 20, 24, 28, 32, 36, 44, 88, 104, 120];

/// A namespace with another way to the same peer, and not through the first.
fn other_way(lab: &Lab) -> Netns {
    let other = Netns::new();
    other.ip("link set lo up");
    lab.far.ip(&format!("link add other type veth peer name uplink netns {}", other.path()));
    for (netns, device, v4, v6) in [
        (&lab.far, "other", "10.79.0.2/24", "fd79::2/64"),
        (&other, "uplink", "10.79.0.1/24", "fd79::1/64"),
    ] {
        netns.ip(&format!("link set {device} up"));
        netns.ip(&format!("addr add {v4} dev {device}"));
        netns.ip(&format!("addr add {v6} dev {device} nodad"));
    }
    other.sysctl("ipv4/ping_group_range", "0 2147483647");
    other.ip("route add default via 10.79.0.2");
    other.ip("-6 route add default via fd79::2");
    other
}

/// A socket is judged by the cgroup it was made in, whatever the namespace:
/// closed by the cgroup programs alone. An allowed *address* there may be another
/// machine; `[process] interfaces` and the other layers are against that.
#[test]
fn the_policy_holds_in_every_network_namespace() {
    if !privileged("the_policy_holds_in_every_network_namespace") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let other = other_way(&lab);
    let mut agent = confined::only_hooks(&lab, &mut daemon);
    agent.expect_ok(&format!("enter {}", other.path()));
    for (allowed, forbidden) in [(ALLOWED_V4, FORBIDDEN_V4), (ALLOWED_V6, FORBIDDEN_V6)] {
        agent.expect_ok(&format!("tcp c {allowed} {SINK_PORT}"));
        agent.expect_ok(&format!("udp connected {allowed} {SINK_PORT} 1"));
        agent.expect_refused(&format!("tcp d {forbidden} {SINK_PORT}"));
        agent.expect_refused(&format!("udp connected {forbidden} {SINK_PORT} 1"));
        agent.expect_refused(&format!("aim bound {forbidden} {SINK_PORT}"));
        agent.expect_refused(&format!("ping connected {forbidden}"));
    }
    agent.expect_refused("raw");
    expect_refusals(&lab, &[(Reason::NoRule, 8), (Reason::SocketType, 1)]);
}

#[test]
fn no_other_network_namespace_is_entered_or_made() {
    if !privileged("no_other_network_namespace_is_entered_or_made") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let other = other_way(&lab);
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        expect_closed(layer, &mut agent, &format!("enter {}", other.path()));
        expect_closed(layer, &mut agent, "own-namespaces");
        expect_closed(layer, &mut agent, "unshare 1073741824");
        agent.expect_ok(&format!("udp-echo {ALLOWED_V4} {ECHO_PORT}"));
    }
}

/// Neighbours, routes, rules, tunnels, redirections: each sends what is allowed
/// to somebody else. Closed by `enforcer exec` and by BPF LSM.
#[test]
fn routes_and_neighbours_are_not_the_agents_to_change() {
    if !privileged("routes_and_neighbours_are_not_the_agents_to_change") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        for change in CHANGES {
            expect_closed(layer, &mut agent, &format!("route-change {change}"));
        }
        // Questions are answered: no library finds its address without.
        let question = agent.act("route-change 18");
        assert_ne!(question.errno(), "EPERM", "{layer}: {}", question.0);
        agent.expect_ok(&format!("udp-echo {ALLOWED_V4} {ECHO_PORT}"));
    }
}
