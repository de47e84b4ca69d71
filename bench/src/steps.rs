//! The packet program alone: each step on its own, over an empty program.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use aya::programs::CgroupSkb;
use enforcer_tests::forge::{V4, udp, v6};

use crate::cpu::Pinned;
use crate::policies::PORT;
use crate::programs::Loaded;
use crate::report::{Part, Row, Unit, Value};
use crate::testrun::{Step, over_empty};
use crate::wire::{PEER_V4, PEER_V6};
use crate::world::Ours;

const ROUNDS: u32 = 15;
/// Of a datagram, as in the live part.
const PAYLOAD: u16 = 18;
const UDP: u8 = 17;
/// Nobody may send here (TEST-NET-2, RFC 5737).
const NOBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// Names of the steps, which targets and charts refer to.
pub const HOT_V4: &str = "hot destination, IPv4";
/// As [`HOT_V4`].
pub const HOT_V6: &str = "hot destination, IPv6";
/// As [`HOT_V4`], with caps on packets and bytes.
pub const CAPPED_V4: &str = "hot destination, caps, IPv4";
/// As [`HOT_V6`], with caps on packets and bytes.
pub const CAPPED_V6: &str = "hot destination, caps, IPv6";
/// A destination that no rule names.
pub const DENIED: &str = "denied, IPv4";
/// A packet that comes in.
pub const INGRESS: &str = "ingress, IPv4";
/// The empty program against another instance of itself.
pub const CONTROL: &str = "empty over empty";

/// All of them, in order.
pub const NAMES: [&str; 6] = [HOT_V4, HOT_V6, DENIED, INGRESS, CAPPED_V4, CAPPED_V6];

/// What is judged: the step's name, the link of the program, the packet, and
/// whether it is to pass.
type Case = (&'static str, &'static str, Vec<u8>, bool);

/// Measures every step on the instances of one size. They come without caps, and
/// have them from here on.
pub fn measure(ours: &[Ours], size: u32) -> Result<Vec<Row>> {
    let _pinned = Pinned::to_last()?;
    let empty = Loaded::empty()?;
    let mut rows = Vec::new();
    for (caps, cases) in [(false, plain()), (true, capped())] {
        for one in ours.iter().filter(|_| caps) {
            one.cap()?;
        }
        for case in cases {
            rows.push(row(case.0, Some(size), one_step(ours, empty.program()?, &case)));
        }
    }
    Ok(rows)
}

/// What the empty program costs over itself: the error bar of the others.
pub fn control() -> Result<Row> {
    let _pinned = Pinned::to_last()?;
    let (one, other) = (Loaded::empty()?, Loaded::empty()?);
    let packet = to_v4(peer_v4());
    let series = Step::new(one.program()?, &packet, true)
        .and_then(|one| over_empty(&one, &Step::new(other.program()?, &packet, true)?, ROUNDS * 4));
    Ok(Row { subject: "empty".to_owned(), ..row(CONTROL, None, series) })
}

/// Both instances together: the mean of the rounds of both.
fn one_step(ours: &[Ours], empty: &CgroupSkb, case: &Case) -> Result<Vec<f64>> {
    let (_, link, packet, permits) = case;
    let empty = Step::new(empty, packet, true)?;
    let mut series: Vec<Vec<f64>> = Vec::new();
    for one in ours {
        let program = one.instance.program(link)?;
        let measured = one
            .instance
            .as_agent(|| over_empty(&empty, &Step::new(&program, packet, *permits)?, ROUNDS));
        series.push(measured?);
    }
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    Ok(crate::stats::means(&series))
}

fn row(step: &str, size: Option<u32>, series: Result<Vec<f64>>) -> Row {
    Row {
        part: Part::Program,
        step: step.to_owned(),
        subject: "ours".to_owned(),
        size,
        unit: Unit::NsOverEmpty,
        value: Value::of_result(series),
    }
}

fn plain() -> Vec<Case> {
    vec![
        (HOT_V4, "egress_skb", to_v4(peer_v4()), true),
        (HOT_V6, "egress_skb", to_v6(), true),
        (DENIED, "egress_skb", to_v4(NOBODY), false),
        (INGRESS, "ingress_skb", from_peer(), true),
    ]
}

fn capped() -> Vec<Case> {
    vec![
        (CAPPED_V4, "egress_skb", to_v4(peer_v4()), true),
        (CAPPED_V6, "egress_skb", to_v6(), true),
    ]
}

fn peer_v4() -> Ipv4Addr {
    PEER_V4.parse().unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn to_v4(to: Ipv4Addr) -> Vec<u8> {
    V4 { to, options: &[], fragment: 0, protocol: UDP, payload: &udp(PORT, PAYLOAD) }.bytes()
}

fn to_v6() -> Vec<u8> {
    v6(PEER_V6.parse().unwrap_or(Ipv6Addr::UNSPECIFIED), UDP, &udp(PORT, PAYLOAD))
}

/// An answer: the addresses and the ports of [`to_v4`] changed over.
fn from_peer() -> Vec<u8> {
    let mut packet = to_v4(peer_v4());
    let (source, destination) = packet[12..20].split_at_mut(4);
    source.swap_with_slice(destination);
    packet.swap(20, 22);
    packet.swap(21, 23);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_from_where_the_question_went() {
        let (question, answer) = (to_v4(peer_v4()), from_peer());
        assert_eq!(question[16..20], answer[12..16]);
        assert_eq!(question[12..16], answer[16..20]);
        assert_eq!(question[22..24], answer[20..22]);
        assert_eq!(answer[20..22], PORT.to_be_bytes());
    }
}
