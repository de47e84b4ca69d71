//! The destination of an ordinary packet, read in a few instructions: TCP or UDP
//! behind the shortest IP header, not a fragment. For everything else there is
//! [`parse_into`](crate::parse_into), which agrees wherever this answers at all.

use crate::address::Address;
use crate::flow::{Flow, Protocol};
use crate::header::SOURCE;

/// The bytes of a packet that lie in one piece, from its network header on.
/// Words are in the order of the wire. Nothing is asked for that [`reaches`] has
/// not been asked about: the verifier refuses a program that does, and in
/// tests such bytes are zero.
///
/// [`reaches`]: Linear::reaches
pub trait Linear {
    /// Whether there are so many bytes.
    fn reaches(&self, bytes: usize) -> bool;
    /// One byte.
    fn byte(&self, offset: usize) -> u8;
    /// Two bytes.
    fn half(&self, offset: usize) -> u16;
    /// Four bytes.
    fn word(&self, offset: usize) -> u32;
    /// Eight bytes.
    fn double(&self, offset: usize) -> u64;
}

/// Headers up to the ports, both of which have to be there.
const V4_HEAD: usize = 20 + 4;
const V6_HEAD: usize = 40 + 4;

/// What a rule asks of a packet, in words that compare at once. All zero is no
/// packet's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    /// First half of the address, in memory as on the wire.
    pub high: u64,
    /// Second half.
    pub low: u64,
    /// Interface, port, protocol, and a one that tells a key from no key.
    pub rest: u64,
}
kernel_abi!(FlowKey, size = 24, { high: u64 = 0, low: u64 = 8, rest: u64 = 16 });

const IN_USE: u64 = 1;

// === impl FlowKey ===

impl FlowKey {
    #[inline(always)]
    fn new(high: u64, low: u64, interface: u32, port: u16, protocol: u8) -> Self {
        let rest =
            u64::from(interface) << 32 | u64::from(port) << 16 | u64::from(protocol) << 8 | IN_USE;
        Self { high, low, rest }
    }

    #[inline(always)]
    fn v4(address: u32, interface: u32, port: u16, protocol: u8) -> Self {
        // `::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2.
        let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
        Self::new(0, join(mapped, address), interface, port, protocol)
    }

    /// The key of packets of this flow.
    #[inline(always)]
    pub fn of(flow: &Flow) -> Self {
        let [high, low] = flow.destination.words();
        Self::new(high, low, flow.interface, flow.port, flow.protocol.0)
    }

    /// The flow of packets with this key, each of which is one packet.
    #[expect(clippy::cast_possible_truncation, reason = "the fields that `new` has put there")]
    #[inline(always)]
    pub fn flow(&self) -> Flow {
        Flow {
            destination: Address::of_words([self.high, self.low]),
            port: (self.rest >> 16) as u16,
            protocol: Protocol((self.rest >> 8) as u8),
            interface: (self.rest >> 32) as u32,
            ..Flow::UNREADABLE
        }
    }
}

/// Two words that follow each other in memory.
#[inline(always)]
pub const fn join(first: u32, second: u32) -> u64 {
    if cfg!(target_endian = "little") {
        (second as u64) << 32 | first as u64
    } else {
        (first as u64) << 32 | second as u64
    }
}

/// One end (`DESTINATION` or `SOURCE`) of an ordinary packet, and the interface
/// that it passes.
#[inline(always)]
pub fn glance<const END: bool>(packet: &impl Linear, interface: u32) -> Option<FlowKey> {
    if !packet.reaches(V4_HEAD) {
        return None;
    }
    match packet.byte(0) {
        0x45 => glance_v4::<END>(packet, interface),
        first if first >> 4 == 6 => glance_v6::<END>(packet, interface),
        _ => None,
    }
}

#[inline(always)]
fn glance_v4<const END: bool>(packet: &impl Linear, interface: u32) -> Option<FlowKey> {
    // RFC 791 section 3.1: more-fragments flag and fragment offset.
    let fragment = packet.half(6) & 0x3fff_u16.to_be();
    let protocol = packet.byte(9);
    if fragment != 0 || !Protocol(protocol).has_ports() {
        return None;
    }
    let (address, port) = if END == SOURCE { (12, 20) } else { (16, 22) };
    let port = u16::from_be(packet.half(port));
    Some(FlowKey::v4(packet.word(address), interface, port, protocol))
}

#[inline(always)]
fn glance_v6<const END: bool>(packet: &impl Linear, interface: u32) -> Option<FlowKey> {
    if !packet.reaches(V6_HEAD) {
        return None;
    }
    let protocol = packet.byte(6);
    if !Protocol(protocol).has_ports() {
        return None;
    }
    let (address, port) = if END == SOURCE { (8, 40) } else { (24, 42) };
    let port = u16::from_be(packet.half(port));
    let (high, low) = (packet.double(address), packet.double(address + 8));
    Some(FlowKey::new(high, low, interface, port, protocol))
}

impl Linear for &[u8] {
    fn reaches(&self, bytes: usize) -> bool {
        self.len() >= bytes
    }

    fn byte(&self, offset: usize) -> u8 {
        self.get(offset).copied().unwrap_or_default()
    }

    fn half(&self, offset: usize) -> u16 {
        u16::from_ne_bytes(chunk(self, offset))
    }

    fn word(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(chunk(self, offset))
    }

    fn double(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(chunk(self, offset))
    }
}

fn chunk<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::{DESTINATION, parse_answer_into, parse_into};

    fn parsed(packet: &[u8]) -> Option<FlowKey> {
        let mut flow = Flow::UNREADABLE;
        parse_into(&packet, &mut flow).ok().map(|()| FlowKey::of(&flow))
    }

    fn parsed_answer(packet: &[u8]) -> Option<FlowKey> {
        let mut flow = Flow::UNREADABLE;
        parse_answer_into(&packet, &mut flow).ok().map(|()| FlowKey::of(&flow))
    }

    /// Packets that are often ordinary, and often nearly so.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![Just(0x45), Just(0x46), Just(0x60), Just(0x6f), any::<u8>()];
        let protocol = prop_oneof![Just(6), Just(17), Just(1), Just(0), any::<u8>()];
        let fragment = prop_oneof![4 => Just([0, 0]), 1 => any::<[u8; 2]>()];
        let body = prop::collection::vec(any::<u8>(), 0..90);
        (first, protocol, fragment, body).prop_map(|(first, protocol, fragment, mut packet)| {
            for (at, byte) in [(0, first), (6, fragment[0]), (7, fragment[1]), (9, protocol)] {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
            }
            if first >> 4 == 6 && packet.len() > 6 {
                packet[6] = protocol;
            }
            packet
        })
    }

    proptest! {
        #[test]
        fn a_glance_sees_what_the_parser_reads(packet in packets()) {
            if let Some(seen) = glance::<DESTINATION>(&packet.as_slice(), 0) {
                prop_assert_eq!(Some(seen), parsed(&packet));
                prop_assert_eq!(FlowKey::of(&seen.flow()), seen);
            }
            if let Some(seen) = glance::<SOURCE>(&packet.as_slice(), 0) {
                prop_assert_eq!(Some(seen), parsed_answer(&packet));
            }
        }
    }

    #[test]
    fn ordinary_packets_are_seen_at_a_glance() {
        for (first, protocol_at, header) in [(0x45, 9, 20), (0x60, 6, 40)] {
            for protocol in [6, 17] {
                let mut packet = vec![0; header + 8];
                (packet[0], packet[protocol_at]) = (first, protocol);
                packet[header + 2] = 1;
                assert_eq!(glance::<DESTINATION>(&packet.as_slice(), 0), parsed(&packet));
                assert!(
                    parsed(&packet)
                        .is_some_and(|key| key.rest == 1 << 24 | u64::from(protocol) << 8 | 1)
                );
            }
        }
    }

    #[test]
    fn no_key_is_all_zero() {
        let mut packet = vec![0; 24];
        (packet[0], packet[9]) = (0x45, 17);
        assert_ne!(glance::<DESTINATION>(&packet.as_slice(), 0), Some(FlowKey::default()));
    }
}
