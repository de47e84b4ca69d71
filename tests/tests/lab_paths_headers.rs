//! Headers that lead elsewhere, asked for message by message: no `setsockopt`
//! announces them, and the address of the call is an allowed one. Closed by
//! `cgroup_skb/egress`; with BPF LSM most need a privilege that no agent has.

use enforcer_common::Reason;
use enforcer_tests::layer::has_lsm;
use enforcer_tests::ledger::refusals;
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, Agent, BASIC, Daemon, FORBIDDEN_V4, FORBIDDEN_V6, Lab, SINK_PORT,
    confined, eventually, privileged,
};

/// What the kernel says to what it was built without, or cannot make sense of.
const UNKNOWN: [&str; 2] = ["EINVAL", "ENOPROTOOPT"];

#[test]
fn no_message_takes_another_way_by_its_headers() {
    if !privileged("no_message_takes_another_way_by_its_headers") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agents = vec![lab.agent("worker"), confined::agent(&lab)];
    for agent in &mut agents {
        expect_no_detour(agent, &format!("source-route {ALLOWED_V4} {SINK_PORT} {FORBIDDEN_V4}"));
        for what in ["routing-2", "routing-4", "flow-label"] {
            expect_no_detour(agent, &format!("{what} {ALLOWED_V6} {SINK_PORT} {FORBIDDEN_V6}"));
        }
    }
    let mut packets = lab.peer.packets();
    // Hop-by-hop, routing and whatever is for the stop on the way.
    let forbidden = [FORBIDDEN_V4, FORBIDDEN_V6];
    packets.retain(|p| p.proto == 43 || forbidden.contains(&p.dst.to_string().as_str()));
    assert_eq!(packets, []);
    let reasons: Vec<_> = refusals(&lab).iter().map(|(reason, _)| *reason).collect();
    let wanted = [Reason::SourceRoute, Reason::SocketOption, Reason::Privilege];
    assert!(reasons.iter().all(|reason| wanted.contains(reason)), "{reasons:?}");
    assert!(has_lsm(&daemon) || reasons.contains(&Reason::SourceRoute), "{reasons:?}");
}

/// Headers that only fill space are followed to the port behind them.
#[test]
fn headers_that_lead_nowhere_hide_no_port() {
    if !privileged("headers_that_lead_nowhere_hide_no_port") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let mut agent = confined::only_hooks(&lab, &mut daemon);
    let cases = [("no-operation", ALLOWED_V4), ("destination", ALLOWED_V6)];
    for (what, allowed) in cases {
        let before = lab.peer.packets_to(allowed).len();
        agent.expect_ok(&format!("crafted {what} {allowed} {SINK_PORT} -"));
        eventually("it to arrive", || (lab.peer.packets_to(allowed).len() > before).then_some(()));
        // `sendmsg` judges the port before any header is written.
        agent.expect_refused(&format!("crafted {what} {allowed} 5002 -"));
    }
    assert_eq!(refusals(&lab), [(Reason::NoPort, 2)]);
}

/// Refused, or not known to this kernel.
#[track_caller]
fn expect_no_detour(agent: &mut Agent, what: &str) {
    let answer = agent.act(&format!("crafted {what}"));
    let known = answer.errno() == "EPERM" || UNKNOWN.contains(&answer.errno());
    assert!(known, "{what}: {}", answer.0);
}
