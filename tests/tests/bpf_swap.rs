//! Generations change while packets are judged: each is judged by the old policy or by
//! the new one, never by neither.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use enforcer_common::Verdict::{self, Allow, Deny};
use enforcer_tests::bench::Bench;
use enforcer_tests::forge::{V4, udp, v6};
use enforcer_tests::{Random, SINK_PORT, privileged};

const SWAPS: usize = 100;
/// Of each kind, one half of each family.
const PREFIXES: usize = 400;
/// Kinds of destinations, by the first number of their addresses: in both policies, in one
/// of them, in none.
const BOTH: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;
const NEITHER: u8 = 3;
/// Makes one policy larger than the other, so that nothing stands where it stood.
const MORE: u8 = 4;

#[test]
fn while_generations_change_each_packet_is_judged_by_one_of_them() {
    let test = "while_generations_change_each_packet_is_judged_by_one_of_them";
    if !privileged(test) {
        return;
    }
    let bench = Bench::new(&policy(&[BOTH, FIRST]));
    let plans = [bench.plan.clone(), bench.compiled(&policy(&[BOTH, SECOND, MORE]))];
    let swapping = AtomicBool::new(true);
    let (mut judged, mut random) = ([[0_u64; 2]; 4], Random::of_test());
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..SWAPS).for_each(|swap| bench.apply(&plans[(swap + 1) % 2]));
            swapping.store(false, Ordering::SeqCst);
        });
        while swapping.load(Ordering::SeqCst) {
            for kind in [BOTH, FIRST, SECOND, NEITHER] {
                let verdict = bench.verdict(&packet(kind, &mut random));
                judged[usize::from(kind)][usize::from(verdict == Allow)] += 1;
            }
        }
    });
    let [[both_denied, both], first, second, [neither, neither_allowed]] = judged;
    assert_eq!((both_denied, neither_allowed), (0, 0), "denied or allowed by neither: {judged:?}");
    assert!(both > 0 && neither > 0, "{judged:?}");
    let seen: Vec<Verdict> =
        [FIRST, SECOND].map(|kind| bench.verdict(&packet(kind, &mut random))).into();
    assert_eq!(seen, [Allow, Deny], "an even number of swaps ends where it began");
    let changed = first.iter().chain(&second).all(|count| *count > 0);
    assert!(changed, "both generations were seen at work: {judged:?}");
}

/// Allows destinations of these kinds.
fn policy(kinds: &[u8]) -> String {
    let mut rule = format!("[[allow]]\nports = [\"udp/{SINK_PORT}\"]\nto = [");
    for &kind in kinds {
        for n in 0..PREFIXES {
            write!(rule, "\"{}\", ", prefix(kind, n)).expect("to a string");
        }
    }
    rule + "]\n"
}

/// The prefixes of a kind have many lengths, so that they stand in groups.
fn prefix(kind: u8, n: usize) -> String {
    let (at, length) = (n / 2, n / 2 % 16);
    match n % 2 {
        0 => format!("{}/{}", v4_of(kind, at), 17 + length),
        _ => format!("{}/{}", v6_of(kind, at), 33 + length * 4),
    }
}

/// First address of a /16 of its own.
fn v4_of(kind: u8, at: usize) -> Ipv4Addr {
    let at = u8::try_from(at).expect("less than 256");
    Ipv4Addr::new(20 + kind, at, 0, 0)
}

/// First address of a /32 of its own.
fn v6_of(kind: u8, at: usize) -> Ipv6Addr {
    let at = u16::try_from(at).expect("less than 256");
    Ipv6Addr::new(0x2a00 + u16::from(kind), at, 0, 0, 0, 0, 0, 0)
}

/// A datagram to the first address of one of the prefixes of a kind.
fn packet(kind: u8, random: &mut Random) -> Vec<u8> {
    let n = random.below(PREFIXES);
    let payload = udp(SINK_PORT, 8);
    if !n.is_multiple_of(2) {
        return v6(v6_of(kind, n / 2), 17, &payload);
    }
    let to = v4_of(kind, n / 2);
    V4 { to, options: &[], fragment: 0, protocol: 17, payload: &payload }.bytes()
}
