//! The lab without the product: what its peer says must be true.

use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, ECHO_PORT, FORBIDDEN_V4, FORBIDDEN_V6, Lab, SINK_PORT, cgroup,
    privileged,
};

#[test]
fn what_the_agent_sends_is_what_the_peer_has_seen() {
    if !privileged("what_the_agent_sends_is_what_the_peer_has_seen") {
        return;
    }
    let lab = Lab::new();
    let mut agent = lab.agent("a");
    for address in [ALLOWED_V4, FORBIDDEN_V4, ALLOWED_V6, FORBIDDEN_V6] {
        agent.expect_ok(&format!("tcp c {address} {SINK_PORT}"));
        agent.expect_ok("write c 1000");
        agent.expect_ok(&format!("udp-echo {address} {ECHO_PORT}"));
        agent.expect_ok(&format!("udp connected {address} {SINK_PORT} 3"));
        agent.expect_ok(&format!("ping connected {address}"));
        let packets = lab.peer.packets_to(address);
        let udp = packets.iter().filter(|packet| packet.proto == 17).count();
        assert_eq!(udp, 4, "{packets:?}");
        assert_eq!(packets.iter().filter(|p| p.proto == 6 && p.flags == 2).count(), 1);
        assert_eq!(packets.iter().filter(|p| [1, 58].contains(&p.proto)).count(), 1);
    }
    agent.expect_ok("tcp mapped ::ffff:10.77.0.2 5001");
    assert_eq!(lab.peer.tcp_bytes(SINK_PORT), 4000);
}

#[test]
fn a_flood_arrives_whole_and_at_its_rate() {
    if !privileged("a_flood_arrives_whole_and_at_its_rate") {
        return;
    }
    let lab = Lab::new();
    let mut agent = lab.agent("a");
    let flood = format!("flood unconnected {ALLOWED_V4} {SINK_PORT} 5000 1 2 4 64");
    let answer = agent.expect_ok(&flood);
    assert_eq!(answer.number("attempts"), 5000);
    let packets = lab.peer.packets();
    assert_eq!(packets.len(), 5000);
    assert!(packets.iter().all(|p| p.len == 92 && p.dport == SINK_PORT));
    let (first, last) = (packets[0].ns, packets[4999].ns);
    assert!(first >= answer.number("start_ns") && last <= answer.number("end_ns"));
}

#[test]
fn an_agent_is_in_its_cgroup_and_everything_goes_with_the_lab() {
    if !privileged("an_agent_is_in_its_cgroup_and_everything_goes_with_the_lab") {
        return;
    }
    let lab = Lab::new();
    let mut agent = lab.agent("a/nested");
    let answer = agent.expect_ok("cgroup");
    assert_eq!(answer.0["cgroup"], format!("/{}/a/nested", lab.root()));
    let (folder, root) = (lab.path(""), cgroup::mount_point().join(lab.root()));
    // The helper outlives the lab, as a stuck agent would.
    drop(lab);
    assert!(!folder.exists() && !root.exists());
    let mounts = std::fs::read_to_string("/proc/mounts").expect("read the mounts");
    assert!(!mounts.contains(&folder.display().to_string()));
}
