//! The egress program's judgement of crafted packets, with the reason it
//! counted each under.

use enforcer_common::Verdict::{self, Allow, Deny};
use enforcer_common::{Counter, Reason};
use enforcer_tests::bench::Bench;
use enforcer_tests::forge::{V4, extension, icmp, tcp, udp, v6};
use enforcer_tests::privileged;

const POLICY: &str = r#"
[[allow]]
to    = ["192.0.2.0/24", "2001:db8:1::/48"]
ports = ["tcp/443", "udp/8000-8100", "icmp"]

[[allow]]
to    = ["198.51.100.7/32"]
ports = ["any"]

[[deny]]
to = ["192.0.2.66/32"]
"#;

/// What it is, the packet, the verdict and the reason.
type Case = (&'static str, Vec<u8>, Verdict, Reason);

fn v4(to: &str, options: &[u8], fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let to = to.parse().expect("an address");
    V4 { to, options, fragment, protocol, payload }.bytes()
}

fn to_v6(to: &str, next: u8, payload: &[u8]) -> Vec<u8> {
    v6(to.parse().expect("an address"), next, payload)
}

/// One extension header after another, then a UDP datagram.
fn chained(kinds: &[u8]) -> Vec<u8> {
    let mut payload = udp(8000, 4);
    let mut next = 17;
    for &kind in kinds.iter().rev() {
        let mut chain = extension(next, 1);
        chain.extend(payload);
        (payload, next) = (chain, kind);
    }
    to_v6("2001:db8:1::1", next, &payload)
}

#[test]
fn each_packet_has_its_verdict_and_its_reason() {
    if !privileged("each_packet_has_its_verdict_and_its_reason") {
        return;
    }
    let bench = Bench::new(POLICY);
    for (what, packet, verdict, reason) in
        [ports(), addresses(), headers_v4(), headers_v6(), truncated()].concat()
    {
        let before = bench.counters();
        let got = bench.verdict(&packet);
        let moved = bench.moved_since(&before);
        let len = packet.len() as u64;
        let want = Counter { packets: 1, bytes: len, ..Counter::default() };
        assert_eq!(got, verdict, "{what}: {moved:?}");
        assert_eq!(moved, [(reason, want)], "{what}");
    }
}

fn ports() -> Vec<Case> {
    let tcp_to = |port| v4("192.0.2.1", &[], 0, 6, &tcp(port));
    let udp_to = |port| v4("192.0.2.1", &[], 0, 17, &udp(port, 4));
    vec![
        ("the named TCP port", tcp_to(443), Allow, Reason::Rule),
        ("one below", tcp_to(442), Deny, Reason::NoPort),
        ("one above", tcp_to(444), Deny, Reason::NoPort),
        ("a TCP port named for UDP", tcp_to(8000), Deny, Reason::NoPort),
        ("first of a range", udp_to(8000), Allow, Reason::Rule),
        ("last of a range", udp_to(8100), Allow, Reason::Rule),
        ("below a range", udp_to(7999), Deny, Reason::NoPort),
        ("above a range", udp_to(8101), Deny, Reason::NoPort),
        ("port 0", udp_to(0), Deny, Reason::NoPort),
        ("ICMP where it is named", v4("192.0.2.1", &[], 0, 1, &icmp(8)), Allow, Reason::Rule),
        ("another protocol", v4("192.0.2.1", &[], 0, 47, &[0; 8]), Deny, Reason::NoPort),
        ("another where all are", v4("198.51.100.7", &[], 0, 47, &[0; 8]), Allow, Reason::Rule),
        ("IPv4 protocol 0", v4("198.51.100.7", &[], 0, 0, &[0; 8]), Deny, Reason::UnreadableHeader),
    ]
}

fn addresses() -> Vec<Case> {
    let to = |address| v4(address, &[], 0, 6, &tcp(443));
    let six = |address| to_v6(address, 6, &tcp(443));
    vec![
        ("last of the net", to("192.0.2.255"), Allow, Reason::Rule),
        ("before the net", to("192.0.1.255"), Deny, Reason::NoRule),
        ("after the net", to("192.0.3.0"), Deny, Reason::NoRule),
        ("denied inside the net", to("192.0.2.66"), Deny, Reason::DenyRule),
        ("its neighbour", to("192.0.2.67"), Allow, Reason::Rule),
        ("IPv6 inside", six("2001:db8:1:ffff::9"), Allow, Reason::Rule),
        ("IPv6 outside", six("2001:db8:2::9"), Deny, Reason::NoRule),
        ("v4-mapped inside", six("::ffff:192.0.2.1"), Allow, Reason::Rule),
        ("v4-mapped denied", six("::ffff:192.0.2.66"), Deny, Reason::DenyRule),
        ("v4-compatible is not mapped", six("::192.0.2.1"), Deny, Reason::NoRule),
        ("ICMPv6 inside", to_v6("2001:db8:1::1", 58, &icmp(128)), Allow, Reason::Rule),
        ("cloud metadata", to("169.254.169.254"), Deny, Reason::DenyRule),
    ]
}

/// One option of a kind nobody knows, `len` bytes long.
fn one_option(len: u8) -> Vec<u8> {
    let mut option = vec![0; usize::from(len)];
    option[..2].copy_from_slice(&[30, len]);
    option
}

fn headers_v4() -> Vec<Case> {
    let with = |options: &[u8]| v4("192.0.2.1", options, 0, 17, &udp(8000, 4));
    let fragment = |field| v4("192.0.2.1", &[], field, 17, &udp(8000, 4));
    // An option whose body spells an allowed port where a parser that ignores
    // IHL would look for one.
    let hidden = v4("192.0.2.1", &[30, 8, 0x1f, 0x40, 0, 0, 0, 0], 0, 17, &udp(9999, 4));
    let mut short_ihl = v4("192.0.2.1", &[], 0, 17, &udp(8000, 4));
    short_ihl[0] = 0x44;
    vec![
        ("no-operation options", with(&[1, 1, 1, 0]), Allow, Reason::Rule),
        ("40 bytes of options", with(&one_option(40)), Allow, Reason::Rule),
        ("40 options", with(&[1; 40]), Deny, Reason::UnreadableHeader),
        ("router alert", with(&[148, 4, 0, 0]), Allow, Reason::Rule),
        ("a port hidden by options", hidden, Deny, Reason::NoPort),
        ("loose source route", with(&[131, 7, 4, 10, 0, 0, 9, 0]), Deny, Reason::SourceRoute),
        ("strict source route", with(&[137, 7, 4, 10, 0, 0, 9, 0]), Deny, Reason::SourceRoute),
        ("source route after no-ops", with(&[1, 1, 131, 3, 4, 0, 0, 0]), Deny, Reason::SourceRoute),
        ("an option past the header", with(&[148, 8, 0, 0]), Deny, Reason::UnreadableHeader),
        ("an option of length 0", with(&[148, 0, 0, 0]), Deny, Reason::UnreadableHeader),
        ("an option of length 1", with(&[148, 1, 0, 0]), Deny, Reason::UnreadableHeader),
        ("a header of 16 bytes", short_ihl, Deny, Reason::UnreadableHeader),
        ("first fragment", fragment(0x2000), Deny, Reason::Fragment),
        ("later fragment", fragment(0x0001), Deny, Reason::Fragment),
        ("last fragment", fragment(0x00b9), Deny, Reason::Fragment),
        ("don't fragment", fragment(0x4000), Allow, Reason::Rule),
    ]
}

fn headers_v6() -> Vec<Case> {
    vec![
        ("no extension", chained(&[]), Allow, Reason::Rule),
        ("hop-by-hop", chained(&[0]), Allow, Reason::Rule),
        ("hop-by-hop and destination options", chained(&[0, 60, 60]), Allow, Reason::Rule),
        ("seven of them", chained(&[0, 60, 60, 60, 60, 60, 60]), Allow, Reason::Rule),
        ("eight of them", chained(&[60; 8]), Deny, Reason::UnreadableHeader),
        ("routing header", chained(&[43]), Deny, Reason::SourceRoute),
        ("routing header behind options", chained(&[0, 60, 43]), Deny, Reason::SourceRoute),
        ("fragment header", chained(&[44]), Deny, Reason::Fragment),
        ("authentication header", chained(&[51]), Deny, Reason::UnreadableHeader),
        ("mobility header", chained(&[135]), Deny, Reason::UnreadableHeader),
        ("no next header", to_v6("2001:db8:1::1", 59, &[0; 8]), Deny, Reason::UnreadableHeader),
        (
            "a chain past the end",
            to_v6("2001:db8:1::1", 60, &[17, 200, 0, 0]),
            Deny,
            Reason::Truncated,
        ),
    ]
}

fn truncated() -> Vec<Case> {
    let whole = v4("192.0.2.1", &[], 0, 17, &udp(8000, 4));
    let whole6 = chained(&[]);
    let options = v4("192.0.2.1", &one_option(40), 0, 17, &udp(8000, 4));
    let mut version5 = whole.clone();
    version5[0] = 0x55;
    vec![
        ("one byte", whole[..1].to_vec(), Deny, Reason::Truncated),
        ("half an IPv4 header", whole[..12].to_vec(), Deny, Reason::Truncated),
        ("IPv4 without ports", whole[..20].to_vec(), Deny, Reason::Truncated),
        ("IPv4 with half the ports", whole[..23].to_vec(), Deny, Reason::Truncated),
        ("IPv4 with just the ports", whole[..24].to_vec(), Allow, Reason::Rule),
        ("options past the end", options[..24].to_vec(), Deny, Reason::Truncated),
        ("half an IPv6 header", whole6[..30].to_vec(), Deny, Reason::Truncated),
        ("IPv6 without ports", whole6[..40].to_vec(), Deny, Reason::Truncated),
        ("ICMP without a byte", v4("192.0.2.1", &[], 0, 1, &[]), Deny, Reason::Truncated),
        ("IP version 5", version5, Deny, Reason::NotIp),
    ]
}
