//! Real packets go the short way, and nothing can be told from the counters.

use enforcer_common::Reason;
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, BASIC, Daemon, ECHO_PORT, Lab, SINK_PORT, pins, privileged,
};

const PACKETS: u64 = 1000;

#[test]
fn most_packets_go_the_short_way_and_all_are_counted() {
    if !privileged("most_packets_go_the_short_way_and_all_are_counted") {
        return;
    }
    let lab = Lab::new();
    let limits = "[limits]\npackets = { rate = \"1000000/s\" }\nbytes = { rate = \"1GB/s\" }";
    lab.write_policy("worker", &format!("{BASIC}{limits}"));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    for to in [ALLOWED_V4, ALLOWED_V6] {
        let (before, arrived) = (counted(&lab), lab.peer.packets().len() as u64);
        let short = pins::passed_the_short_way(&lab, "worker").packets;
        agent.expect_ok(&format!("udp connected {to} {SINK_PORT} {PACKETS}"));
        assert_eq!(lab.peer.packets().len() as u64 - arrived, PACKETS);
        assert_eq!(counted(&lab) - before, PACKETS);
        let short = pins::passed_the_short_way(&lab, "worker").packets - short;
        assert!(short > PACKETS / 2, "{to}: {short} of {PACKETS}");
    }
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {ECHO_PORT}"));
}

fn counted(lab: &Lab) -> u64 {
    pins::counter(lab, Some("worker"), Reason::Rule).packets
}
