//! Packets written by hand, good and bad.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Ethernet header in front of a test run's packet; only the type is read.
const ETHERNET: usize = 14;

/// An IPv4 packet: options (padded to words by the caller), fragment field,
/// protocol and what follows the header.
#[derive(Clone, Debug)]
pub struct V4<'a> {
    /// Destination.
    pub to: Ipv4Addr,
    /// Option bytes, a multiple of four.
    pub options: &'a [u8],
    /// Flags and fragment offset, as on the wire.
    pub fragment: u16,
    /// Protocol number.
    pub protocol: u8,
    /// Transport header and payload.
    pub payload: &'a [u8],
}

// === impl V4 ===

impl V4<'_> {
    /// The bytes, from the IP header on. The checksum is left out: nobody on
    /// the way out checks it.
    pub fn bytes(&self) -> Vec<u8> {
        let words = 5 + self.options.len() / 4;
        let len = words * 4 + self.payload.len();
        let version = 0x40 | u8::try_from(words).expect("at most 15 words");
        let mut bytes = vec![version, 0];
        bytes.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([64, self.protocol, 0, 0, 10, 77, 0, 1]);
        bytes.extend(self.to.octets());
        bytes.extend(self.options);
        bytes.extend(self.payload);
        bytes
    }
}

/// An IPv6 packet with this next-header number; extension headers are part of
/// `payload`.
pub fn v6(to: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("a short packet");
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([next, 64]);
    bytes.extend("fd77::1".parse::<Ipv6Addr>().expect("an address").octets());
    bytes.extend(to.octets());
    bytes.extend(payload);
    bytes
}

/// An extension header of `units` eight-byte units that says `next`.
pub fn extension(next: u8, units: u8) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(units) * 8];
    bytes[0] = next;
    bytes[1] = units - 1;
    // One option that pads the rest (RFC 8200 section 4.2).
    bytes[2] = 1;
    bytes[3] = u8::try_from(bytes.len() - 4).unwrap_or(0);
    bytes
}

/// A UDP header and `len` bytes of payload to `port`.
pub fn udp(port: u16, len: u16) -> Vec<u8> {
    let mut bytes = 40_000_u16.to_be_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend((8 + len).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.resize(8 + usize::from(len), 0);
    bytes
}

/// A TCP SYN to `port`.
pub fn tcp(port: u16) -> Vec<u8> {
    let mut bytes = 40_000_u16.to_be_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    bytes
}

/// An ICMP echo request.
pub fn icmp(kind: u8) -> Vec<u8> {
    vec![kind, 0, 0, 0, 0, 1, 0, 1]
}

/// The packet as `BPF_PROG_TEST_RUN` takes it: behind an Ethernet header of
/// the type that the first nibble asks for. Newer kernels refuse frames of an
/// IP type that are shorter than its header; such a packet travels under the
/// type for experiments (IEEE 802, 0x88b5), which the program never reads.
pub fn framed(packet: &[u8]) -> Vec<u8> {
    let ethertype: u16 = match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.len() >= 20 => 0x0800,
        Some(6) if packet.len() >= 40 => 0x86dd,
        _ => 0x88b5,
    };
    let mut frame = vec![0; ETHERNET - 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame
}
