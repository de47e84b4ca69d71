//! The resets of destroyed sockets: they pass while the daemon says so, and
//! nothing else does.

use enforcer_common::Reason;
use enforcer_common::Verdict::{self, Allow, Deny};
use enforcer_tests::bench::Bench;
use enforcer_tests::forge::{V4, tcp, v6};
use enforcer_tests::privileged;

const POLICY: &str = r#"
[[allow]]
to    = ["192.0.2.0/24"]
ports = ["tcp/443"]
"#;
const RST: u8 = 4;
const RST_ACK: u8 = 0x14;
const SYN: u8 = 2;

fn segment(flags: u8, payload: usize) -> Vec<u8> {
    let mut segment = tcp(80);
    segment[13] = flags;
    segment.resize(20 + payload, 0);
    segment
}

fn to_v4(to: &str, options: &[u8], segment: &[u8]) -> Vec<u8> {
    let to = to.parse().expect("an address");
    V4 { to, options, fragment: 0, protocol: 6, payload: segment }.bytes()
}

fn to_v6(segment: &[u8]) -> Vec<u8> {
    v6("2001:db8::1".parse().expect("an address"), 6, segment)
}

#[track_caller]
fn expect(bench: &Bench, what: &str, packet: &[u8], verdict: Verdict, reason: Reason) {
    let before = bench.counters();
    assert_eq!(bench.verdict(packet), verdict, "{what}");
    let moved: Vec<Reason> = bench.moved_since(&before).into_iter().map(|(r, _)| r).collect();
    assert_eq!(moved, [reason], "{what}");
}

#[test]
fn a_bare_reset_passes_while_the_daemon_ends_sockets_and_not_before_or_after() {
    if !privileged("a_bare_reset_passes_while_the_daemon_ends_sockets_and_not_before_or_after") {
        return;
    }
    let bench = Bench::new(POLICY);
    let cases = [
        ("no rule, IPv4", to_v4("203.0.113.1", &[], &segment(RST_ACK, 0)), Reason::NoRule),
        ("no rule, IPv6", to_v6(&segment(RST, 0)), Reason::NoRule),
        ("no port", to_v4("192.0.2.1", &[], &segment(RST_ACK, 0)), Reason::NoPort),
    ];
    for (what, packet, otherwise) in cases {
        expect(&bench, what, &packet, Deny, otherwise);
        let (first, second) = (bench.kernel.let_resets_pass(), bench.kernel.let_resets_pass());
        expect(&bench, what, &packet, Allow, Reason::Reset);
        drop(first);
        expect(&bench, what, &packet, Allow, Reason::Reset);
        drop(second);
        expect(&bench, what, &packet, Deny, otherwise);
    }
    let passing = bench.kernel.let_resets_pass();
    bench.kernel.quarantine(&bench.agent).expect("cut off");
    expect(&bench, "cut off", &to_v6(&segment(RST, 0)), Allow, Reason::Reset);
    bench.kernel.bind(&[]).expect("unbind");
    assert_eq!(bench.verdict(&to_v6(&segment(RST, 0))), Allow);
    drop(passing);
    assert_eq!(bench.verdict(&to_v6(&segment(RST, 0))), Deny);
}

#[test]
fn nothing_but_bare_resets_passes_while_the_daemon_ends_sockets() {
    if !privileged("nothing_but_bare_resets_passes_while_the_daemon_ends_sockets") {
        return;
    }
    let bench = Bench::new(POLICY);
    let _passing = bench.kernel.let_resets_pass();
    let to = |options: &[u8], segment: &[u8]| to_v4("203.0.113.1", options, segment);
    let source_route = to(&[131, 7, 4, 10, 0, 0, 9, 0], &segment(RST, 0));
    for (what, packet, reason) in [
        ("one byte of payload", to(&[], &segment(RST_ACK, 1)), Reason::NoRule),
        ("payload, IPv6", to_v6(&segment(RST, 1400)), Reason::NoRule),
        ("a SYN", to(&[], &segment(SYN, 0)), Reason::NoRule),
        ("a SYN with RST", to(&[], &segment(SYN | RST, 0)), Reason::NoRule),
        ("IP options", to(&[1, 1, 1, 0], &segment(RST, 0)), Reason::NoRule),
        ("a source route", source_route, Reason::SourceRoute),
    ] {
        expect(&bench, what, &packet, Deny, reason);
    }
    let allowed = to_v4("192.0.2.1", &[], &tcp(443));
    expect(&bench, "what a rule allows", &allowed, Allow, Reason::Rule);
}
