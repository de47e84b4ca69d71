//! What the egress program remembers: violations, quarantine, caps, and whose
//! packet it is.

use enforcer_common::Verdict::{Allow, Deny};
use enforcer_common::{AgentState, Counter, Reason};
use enforcer_tests::bench::Bench;
use enforcer_tests::forge::{V4, udp};
use enforcer_tests::{
    ALLOWED_V4, BASIC, FORBIDDEN_V4, SINK_PORT, TRIPWIRE, now_ns, pins, privileged,
};

fn datagram(to: &str, len: u16) -> Vec<u8> {
    let (to, payload) = (to.parse().expect("an address"), udp(SINK_PORT, len));
    V4 { to, options: &[], fragment: 0, protocol: 17, payload: &payload }.bytes()
}

#[test]
fn the_third_violation_trips_and_nothing_passes_any_more() {
    if !privileged("the_third_violation_trips_and_nothing_passes_any_more") {
        return;
    }
    let bench = Bench::new(&format!("{BASIC}{TRIPWIRE}"));
    let (good, bad) = (datagram(ALLOWED_V4, 8), datagram(FORBIDDEN_V4, 8));
    for _ in 0..2 {
        assert_eq!((bench.verdict(&bad), bench.verdict(&good)), (Deny, Allow));
    }
    let (before, _, after) = (now_ns(), bench.verdict(&bad), now_ns());
    let state = pins::state(&bench.lab, "worker");
    assert_eq!((state.quarantine, state.violations), (AgentState::BY_TRIPWIRE, 3));
    assert!((before..=after).contains(&state.quarantined_at_ns), "{state:?}");
    let counters = bench.counters();
    for packet in [&good, &bad, &vec![0x45; 3]] {
        assert_eq!(bench.verdict(packet), Deny);
    }
    let moved = bench.moved_since(&counters);
    assert!(matches!(moved[..], [(Reason::Quarantined, Counter { packets: 3, .. })]), "{moved:?}");
    assert_eq!(pins::state(&bench.lab, "worker").violations, 3, "quarantined ones do not count");
    bench.kernel.release(&bench.agent).expect("release the agent");
    assert_eq!(bench.verdict(&good), Allow);
}

#[test]
fn a_packet_of_many_segments_counts_as_many() {
    if !privileged("a_packet_of_many_segments_counts_as_many") {
        return;
    }
    let limits = "[limits]\npackets = { rate = \"1/m\", burst = 50 }";
    let bench = Bench::new(&format!("{BASIC}{limits}"));
    let packet = datagram(ALLOWED_V4, 1000);
    let before = bench.counters();
    let verdicts = [0; 4].map(|_| bench.verdict_of_segments(&packet, 20));
    assert_eq!(verdicts, [Allow, Allow, Deny, Deny]);
    let moved: Vec<_> =
        bench.moved_since(&before).into_iter().map(|(reason, by)| (reason, by.packets)).collect();
    assert_eq!(moved, [(Reason::PacketCap, 40), (Reason::Rule, 40)]);
    // Ten are left, and a refusal has taken none of them.
    assert_eq!(bench.verdict_of_segments(&packet, 10), Allow);
    assert_eq!(bench.verdict(&packet), Deny);
}

#[test]
fn bytes_are_charged_at_layer_3() {
    if !privileged("bytes_are_charged_at_layer_3") {
        return;
    }
    let limits = "[limits]\nbytes = { rate = \"20B/m\", burst = 2000 }";
    let bench = Bench::new(&format!("{BASIC}{limits}"));
    let packet = datagram(ALLOWED_V4, 472);
    assert_eq!(packet.len(), 500);
    let verdicts = [0; 5].map(|_| bench.verdict(&packet));
    assert_eq!(verdicts, [Allow, Allow, Allow, Allow, Deny]);
}

#[test]
fn a_nested_cgroup_is_its_agents_and_a_sibling_is_nobodys() {
    if !privileged("a_nested_cgroup_is_its_agents_and_a_sibling_is_nobodys") {
        return;
    }
    let bench = Bench::new(BASIC);
    let good = datagram(ALLOWED_V4, 8);
    bench.move_to("worker/a/b/c");
    assert_eq!(bench.verdict(&good), Allow);
    bench.move_to("sibling");
    assert_eq!(bench.verdict(&good), Deny);
    let unbound = pins::counter(&bench.lab, None, Reason::UnboundAgent);
    assert_eq!((unbound.packets, unbound.bytes), (1, good.len() as u64));
    bench.move_to("worker");
    assert_eq!(bench.verdict(&good), Allow);
}

#[test]
fn an_agent_whose_cgroup_is_unbound_is_denied_until_it_is_bound_again() {
    if !privileged("an_agent_whose_cgroup_is_unbound_is_denied_until_it_is_bound_again") {
        return;
    }
    let bench = Bench::new(BASIC);
    let good = datagram(ALLOWED_V4, 8);
    bench.kernel.bind(&[]).expect("unbind");
    assert_eq!(bench.verdict(&good), Deny);
    let id = enforcer_user::kernel::cgroup_id(&bench.lab.cgroup("worker")).expect("an id");
    bench.kernel.bind(&[(id, bench.agent.clone())]).expect("bind");
    assert_eq!(bench.verdict(&good), Allow);
}
