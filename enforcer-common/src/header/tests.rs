//! Packets built byte by byte, and what the parser makes of them.

use proptest::prelude::*;

use super::{EXT_AUTH, EXT_HIP, EXT_MOBILITY, EXT_NONE, EXT_SHIM6, parse, parse_answer_into};
use crate::address::Address;
use crate::flow::{Flow, Protocol};
use crate::vocabulary::Reason;

const TO_V4: [u8; 4] = [192, 0, 2, 7];
const TO_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;
/// Source port 4660, destination port 443, and four bytes more.
const PORTS: [u8; 8] = [0x12, 0x34, 0x01, 0xbb, 0, 0, 0, 0];

/// An IPv4 packet with these options (a multiple of four bytes).
fn v4(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let words = u8::try_from(5 + options.len() / 4).expect("at most 15");
    let mut packet = vec![0x40 | words, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    packet.extend([10, 0, 0, 1]);
    packet.extend(TO_V4);
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// An IPv6 packet with these extension headers: number and content of each,
/// the first two bytes of which are written here.
fn v6(extensions: &[(u8, usize)], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = extensions.iter().map(|(number, _)| *number).chain([protocol]).collect();
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, numbers[0], 64];
    packet.extend([0xfd; 16]);
    packet.extend(TO_V6);
    for ((_, len), following) in extensions.iter().zip(&numbers[1..]) {
        packet.extend([*following, u8::try_from(len / 8 - 1).expect("short")]);
        packet.extend(vec![0; len - 2]);
    }
    packet.extend(payload);
    packet
}

fn read(packet: &[u8]) -> Result<(Address, u8, u16), Reason> {
    parse(&packet).map(|flow| (flow.destination, flow.protocol.0, flow.port))
}

const V4: Address = Address::v4(TO_V4);
const V6: Address = Address(TO_V6);

#[test]
fn plain_packets_are_read() {
    assert_eq!(read(&v4(6, &[], &PORTS)), Ok((V4, 6, 443)));
    assert_eq!(read(&v4(17, &[], &PORTS)), Ok((V4, 17, 443)));
    assert_eq!(read(&v4(1, &[], &PORTS)), Ok((V4, 1, 0)));
    assert_eq!(read(&v6(&[], 6, &PORTS)), Ok((V6, 6, 443)));
    assert_eq!(read(&v6(&[], 58, &PORTS)), Ok((V6, 58, 0)));
}

#[test]
fn a_flow_carries_length_and_segments() {
    let packet = v4(6, &[], &PORTS);
    let want = Flow {
        destination: V4,
        port: 443,
        protocol: Protocol::TCP,
        packets: 1,
        bytes: 28,
        ..Flow::UNREADABLE
    };
    assert_eq!(parse(&packet.as_slice()), Ok(want));
}

#[test]
fn protocols_without_known_ports_have_port_zero() {
    for protocol in [2, 4, 33, 41, 47, 50, 132, 136, 255] {
        assert_eq!(read(&v4(protocol, &[], &PORTS)), Ok((V4, protocol, 0)));
        assert_eq!(read(&v6(&[], protocol, &PORTS)), Ok((V6, protocol, 0)));
    }
}

#[test]
fn protocol_zero_never_reads_as_any() {
    assert_eq!(read(&v4(0, &[], &PORTS)), Err(Reason::UnreadableHeader));
}

#[test]
fn neither_version_4_nor_6_is_not_ip() {
    for version in (0..16_u8).filter(|version| !matches!(version, 4 | 6)) {
        let mut packet = v4(6, &[], &PORTS);
        packet[0] = version << 4 | 5;
        assert_eq!(read(&packet), Err(Reason::NotIp));
    }
}

#[test]
fn ports_stand_behind_the_options_not_at_byte_20() {
    for words in 1..=10 {
        // One option of a kind nobody knows, as long as they all are.
        let mut options = vec![0; words * 4];
        options[0] = 30;
        options[1] = u8::try_from(options.len()).expect("at most 40");
        assert_eq!(read(&v4(6, &options, &PORTS)), Ok((V4, 6, 443)), "{words} words of options");
    }
    // Without following IHL this would be port 80.
    let bait = [1, 1, 0, 80];
    assert_eq!(read(&v4(6, &bait, &PORTS)), Ok((V4, 6, 443)));
}

#[test]
fn ten_options_are_followed_and_a_longer_list_is_refused() {
    assert_eq!(read(&v4(6, &[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], &PORTS)), Ok((V4, 6, 443)));
    assert_eq!(read(&v4(6, &[1; 12], &PORTS)), Err(Reason::UnreadableHeader));
}

#[test]
fn a_header_shorter_than_five_words_is_unreadable() {
    for words in 0..5 {
        let mut packet = v4(6, &[], &PORTS);
        packet[0] = 0x40 | words;
        assert_eq!(read(&packet), Err(Reason::UnreadableHeader));
    }
}

#[test]
fn options_are_walked_to_their_end() {
    let cases: &[(&str, &[u8], Option<Reason>)] = &[
        ("end at once", &[0, 0, 0, 0], None),
        ("source route behind the end is padding", &[0, 131, 3, 4], None),
        ("record route", &[7, 4, 4, 0], None),
        ("router alert", &[148, 4, 0, 0], None),
        ("unknown", &[30, 4, 9, 9], None),
        ("fills the header exactly", &[1, 68, 7, 5, 0, 0, 0, 0], None),
        ("loose source route", &[131, 7, 4, 1, 2, 3, 4, 0], Some(Reason::SourceRoute)),
        ("strict source route", &[137, 7, 4, 1, 2, 3, 4, 0], Some(Reason::SourceRoute)),
        ("source route behind NOP", &[1, 1, 1, 131, 7, 4, 1, 2], Some(Reason::SourceRoute)),
        ("source route behind another", &[7, 3, 4, 137, 3, 4, 0, 0], Some(Reason::SourceRoute)),
        ("source route in the last byte", &[1, 1, 1, 131], Some(Reason::SourceRoute)),
        ("length 0 would never end", &[7, 0, 0, 0], Some(Reason::UnreadableHeader)),
        ("length 1 hides what follows", &[7, 1, 131, 3], Some(Reason::UnreadableHeader)),
        ("runs past the header", &[7, 5, 4, 0], Some(Reason::UnreadableHeader)),
        ("runs past the packet", &[7, 255, 4, 0], Some(Reason::UnreadableHeader)),
        ("no room for its length", &[1, 1, 1, 7], Some(Reason::UnreadableHeader)),
    ];
    for (name, options, refused) in cases {
        let want = refused.map_or(Ok((V4, 6, 443)), Err);
        assert_eq!(read(&v4(6, options, &PORTS)), want, "{name}");
    }
}

#[test]
fn first_and_later_fragments_are_refused() {
    for (bits, refused) in [
        (0x2000_u16, true),
        (0x0001, true),
        (0x1fff, true),
        (0x2001, true),
        (0x4000, false),
        (0x8000, false),
    ] {
        let mut packet = v4(17, &[], &PORTS);
        packet[6..8].copy_from_slice(&bits.to_be_bytes());
        assert_eq!(read(&packet) == Err(Reason::Fragment), refused, "{bits:#x}");
    }
    assert_eq!(read(&v6(&[(FRAGMENT, 8)], 17, &PORTS)), Err(Reason::Fragment));
    assert_eq!(read(&v6(&[(DESTINATION, 8), (FRAGMENT, 8)], 17, &PORTS)), Err(Reason::Fragment));
}

#[test]
fn extension_headers_are_followed_to_the_transport() {
    for chain in [
        &[(HOP_BY_HOP, 8)][..],
        &[(DESTINATION, 24)],
        &[(HOP_BY_HOP, 16), (DESTINATION, 8)],
        &[(HOP_BY_HOP, 2048)],
        &[(DESTINATION, 8); 7],
    ] {
        assert_eq!(read(&v6(chain, 6, &PORTS)), Ok((V6, 6, 443)), "{chain:?}");
    }
}

#[test]
fn a_chain_longer_than_any_honest_one_is_refused() {
    assert_eq!(read(&v6(&[(DESTINATION, 8); 8], 6, &PORTS)), Err(Reason::UnreadableHeader));
}

#[test]
fn routing_headers_are_source_routes() {
    assert_eq!(read(&v6(&[(ROUTING, 8)], 6, &PORTS)), Err(Reason::SourceRoute));
    assert_eq!(read(&v6(&[(HOP_BY_HOP, 8), (ROUTING, 24)], 6, &PORTS)), Err(Reason::SourceRoute));
}

#[test]
fn extensions_that_hide_the_transport_are_refused() {
    for number in [EXT_NONE, EXT_AUTH, EXT_MOBILITY, EXT_HIP, EXT_SHIM6] {
        assert_eq!(read(&v6(&[], number, &PORTS)), Err(Reason::UnreadableHeader), "{number}");
        let behind = v6(&[(HOP_BY_HOP, 8)], number, &PORTS);
        assert_eq!(read(&behind), Err(Reason::UnreadableHeader), "{number}");
    }
}

#[test]
fn a_packet_cut_at_any_length_is_truncated_or_complete() {
    let needed = 4;
    for (packet, transport) in [
        (v4(6, &[], &PORTS), 20),
        (v4(17, &[1; 8], &PORTS), 28),
        (v6(&[], 6, &PORTS), 40),
        (v6(&[(HOP_BY_HOP, 16), (DESTINATION, 8)], 17, &PORTS), 64),
    ] {
        for len in 0..=packet.len() {
            let want = if len < transport + needed { Err(Reason::Truncated) } else { Ok(443) };
            assert_eq!(read(&packet[..len]).map(|(.., port)| port), want, "{len} of {packet:?}");
        }
    }
}

#[test]
fn a_header_with_nothing_behind_it_is_truncated() {
    assert_eq!(read(&v4(1, &[], &[])), Err(Reason::Truncated));
    assert_eq!(read(&v4(132, &[1; 4], &[])), Err(Reason::Truncated));
    assert_eq!(read(&v6(&[], 58, &[])), Err(Reason::Truncated));
    assert_eq!(read(&v4(1, &[], &[8])), Ok((V4, 1, 0)));
}

#[test]
fn a_mapped_destination_is_the_ipv4_address() {
    let mut packet = v6(&[], 6, &PORTS);
    packet[24..40].copy_from_slice(&V4.0);
    assert_eq!(read(&packet), Ok((V4, 6, 443)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(flow) = parse(&bytes.as_slice()) {
            prop_assert!(flow.protocol != Protocol::ANY);
        }
    }

    #[test]
    fn what_follows_the_ports_changes_nothing(tail in prop::collection::vec(any::<u8>(), 0..60)) {
        let payload = [&PORTS[..4], &tail].concat();
        prop_assert_eq!(read(&v4(6, &[1; 4], &payload)), Ok((V4, 6, 443)));
        prop_assert_eq!(read(&v6(&[(DESTINATION, 8)], 17, &payload)), Ok((V6, 17, 443)));
    }
}

#[test]
fn an_answer_goes_where_the_packet_came_from() {
    for packet in [v4(6, &[], &PORTS), v6(&[(DESTINATION, 8)], 17, &PORTS)] {
        let mut flow = Flow::UNREADABLE;
        assert_eq!(parse_answer_into(&packet.as_slice(), &mut flow), Ok(()));
        let from =
            if packet[0] >> 4 == 4 { Address::v4([10, 0, 0, 1]) } else { Address([0xfd; 16]) };
        assert_eq!((flow.destination, flow.port), (from, 0x1234));
    }
}
