//! The short way: packets to where one was allowed lately. It must decide, count
//! and charge as the long way does. (Older kernels show a program under
//! `BPF_PROG_TEST_RUN` no bytes of a packet, and it goes the long way:
//! `lab_shortcut` sends real ones.)

use std::time::Instant;

use enforcer_common::Verdict::{Allow, Deny};
use enforcer_common::{Counter, Reason};
use enforcer_tests::bench::Bench;
use enforcer_tests::forge::{V4, udp, v6};
use enforcer_tests::{ALLOWED_V4, ALLOWED_V6, BASIC, OTHER_PORT, SINK_PORT, privileged};

const TIMES: u32 = 1000;

fn datagram(port: u16) -> Vec<u8> {
    let (to, payload) = (ALLOWED_V4.parse().expect("an address"), udp(port, 100));
    V4 { to, options: &[], fragment: 0, protocol: 17, payload: &payload }.bytes()
}

fn datagram_v6(port: u16) -> Vec<u8> {
    v6(ALLOWED_V6.parse().expect("an address"), 17, &udp(port, 100))
}

/// Packets and bytes by reason since `before`.
fn moved(bench: &Bench, before: &[(Reason, Counter)]) -> Vec<(Reason, u64, u64)> {
    let moved = bench.moved_since(before);
    moved.into_iter().map(|(reason, by)| (reason, by.packets, by.bytes)).collect()
}

#[test]
fn packets_of_the_short_way_are_counted_as_the_wire_sees_them() {
    if !privileged("packets_of_the_short_way_are_counted_as_the_wire_sees_them") {
        return;
    }
    let limits = "[limits]\npackets = { rate = \"100000000/s\" }\nbytes = { rate = \"100GB/s\" }";
    for policy in [BASIC.to_owned(), format!("{BASIC}{limits}")] {
        let bench = Bench::new(&policy);
        for packet in [datagram(SINK_PORT), datagram_v6(SINK_PORT)] {
            let before = bench.counters();
            assert_eq!(bench.verdict_of_repeated_segments(&packet, 20, TIMES), Allow);
            let bytes = u64::from(TIMES) * packet.len() as u64;
            let wanted = [(Reason::Rule, 20 * u64::from(TIMES), bytes)];
            assert_eq!(moved(&bench, &before), wanted);
        }
    }
}

#[test]
fn what_is_charged_ahead_is_never_more_than_the_cap() {
    if !privileged("what_is_charged_ahead_is_never_more_than_the_cap") {
        return;
    }
    let (rate, burst) = (100_000_u32, 20_000_u32);
    let limits = format!("[limits]\npackets = {{ rate = \"{rate}/s\", burst = {burst} }}");
    let bench = Bench::new(&format!("{BASIC}{limits}"));
    let (packet, before) = (datagram(SINK_PORT), bench.counters());
    let start = Instant::now();
    let _last = bench.verdict_of_repeated(&packet, 500_000);
    let most = f64::from(burst) + start.elapsed().as_secs_f64() * f64::from(rate);
    let moved = moved(&bench, &before);
    let of =
        |wanted| moved.iter().find(|(r, ..)| *r == wanted).map_or(0, |(_, packets, _)| *packets);
    let (allowed, denied) = (of(Reason::Rule), of(Reason::PacketCap));
    assert_eq!(allowed + denied, 500_000, "{moved:?}");
    assert!(allowed >= burst.into() && allowed as f64 <= most + 1.0, "{allowed} of {most}");
}

#[test]
fn a_quarantine_and_a_new_generation_end_the_short_way_at_once() {
    if !privileged("a_quarantine_and_a_new_generation_end_the_short_way_at_once") {
        return;
    }
    let mut bench = Bench::new(BASIC);
    let packet = datagram(SINK_PORT);
    let all = |reason| [(reason, u64::from(TIMES), u64::from(TIMES) * packet.len() as u64)];
    assert_eq!(bench.verdict_of_repeated(&packet, TIMES).0, Allow);
    let before = bench.counters();
    bench.kernel.quarantine(&bench.agent).expect("quarantine the agent");
    assert_eq!(bench.verdict_of_repeated(&packet, TIMES).0, Deny);
    assert_eq!(moved(&bench, &before), all(Reason::Quarantined));
    bench.kernel.release(&bench.agent).expect("release the agent");
    assert_eq!(bench.verdict_of_repeated(&packet, TIMES).0, Allow);
    let before = bench.counters();
    bench.change_policy("[[allow]]\nto = [\"192.0.2.1\"]\nports = [\"udp/1\"]\n");
    assert_eq!(bench.verdict_of_repeated(&packet, TIMES).0, Deny);
    assert_eq!(moved(&bench, &before), all(Reason::NoRule));
}

#[test]
fn another_port_is_another_way() {
    if !privileged("another_port_is_another_way") {
        return;
    }
    let bench = Bench::new(BASIC);
    for (allowed, other) in [
        (datagram(SINK_PORT), datagram(OTHER_PORT)),
        (datagram_v6(SINK_PORT), datagram_v6(OTHER_PORT)),
    ] {
        assert_eq!(bench.verdict_of_repeated(&allowed, TIMES).0, Allow);
        assert_eq!(bench.verdict_of_repeated(&other, TIMES).0, Deny);
        assert_eq!(bench.verdict_of_repeated(&allowed, TIMES).0, Allow);
    }
}
