//! Bounded header parsing: follows IHL and IPv6 extension headers to the
//! transport header, and refuses what it cannot read.

use crate::address::Address;
use crate::flow::{Flow, Protocol};
use crate::vocabulary::Reason;

/// Bytes of a packet from its network header on. In the kernel an skb, in
/// tests a slice.
pub trait Packet {
    /// `N` bytes at `offset`, or `None` where the packet ends before.
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;
    /// Length from the network header, in bytes.
    fn len(&self) -> u32;
    /// Packets on the wire: GSO segments, at least 1.
    fn segments(&self) -> u32;
    /// Index of the interface it leaves by; 0 where unknown.
    fn interface(&self) -> u32;
    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const IPV4_MIN_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
/// RFC 791 section 3.1: more-fragments flag and fragment offset.
const IPV4_FRAGMENT_BITS: u16 = 0x3fff;
/// RFC 791: option kinds.
const OPT_END: u8 = 0;
const OPT_NOP: u8 = 1;
const OPT_LSRR: u8 = 131;
const OPT_SSRR: u8 = 137;
/// Options followed, paddings included; IPv4 leaves room for 40 bytes of them and
/// real packets carry one or two. A longer list is refused: each further turn
/// costs the verifier some fifty thousand instructions.
const MAX_OPTIONS: u32 = 10;
/// RFC 8200 section 4.1 lists each extension header at most once (destination
/// options twice): seven. A longer chain is refused.
const MAX_EXTENSIONS: u32 = 8;
/// RFC 8200: extension header numbers.
const EXT_HOP_BY_HOP: u8 = 0;
const EXT_ROUTING: u8 = 43;
const EXT_FRAGMENT: u8 = 44;
const EXT_AUTH: u8 = 51;
const EXT_NONE: u8 = 59;
const EXT_DESTINATION: u8 = 60;
const EXT_MOBILITY: u8 = 135;
const EXT_HIP: u8 = 139;
const EXT_SHIM6: u8 = 140;

/// The end of a packet that it goes to. A constant, so that each program has only
/// the code for its own.
pub const DESTINATION: bool = false;
/// The end of a packet that it comes from.
pub const SOURCE: bool = true;

/// Reads a packet into the flow it belongs to.
///
/// # Errors
/// The reason for which an unreadable packet is denied.
#[inline(always)]
pub fn parse(packet: &impl Packet) -> Result<Flow, Reason> {
    let mut flow = Flow::UNREADABLE;
    parse_into(packet, &mut flow).map(|()| flow)
}

/// Like [`parse`], for the kernel: every field of `flow` is initialised on
/// every path, because the verifier refuses programs that copy what is not.
///
/// # Errors
/// As for [`parse`]; `flow` then has the packet's length and may have its
/// destination.
#[inline(always)]
pub fn parse_into(packet: &impl Packet, flow: &mut Flow) -> Result<(), Reason> {
    parse_end::<DESTINATION>(packet, flow)
}

/// Like [`parse_into`], for a packet that arrives: the flow is the one that an
/// answer to it would belong to.
///
/// # Errors
/// As for [`parse`].
#[inline(always)]
pub fn parse_answer_into(packet: &impl Packet, flow: &mut Flow) -> Result<(), Reason> {
    parse_end::<SOURCE>(packet, flow)
}

#[inline(always)]
fn parse_end<const END: bool>(packet: &impl Packet, flow: &mut Flow) -> Result<(), Reason> {
    flow.bytes = packet.len();
    let [first] = packet.load::<1>(0).ok_or(Reason::Truncated)?;
    match first >> 4 {
        4 => parse_v4::<END>(packet, flow),
        6 => parse_v6::<END>(packet, flow),
        _ => Err(Reason::NotIp),
    }
}

#[inline(always)]
fn parse_v4<const END: bool>(packet: &impl Packet, flow: &mut Flow) -> Result<(), Reason> {
    let header = packet.load::<20>(0).ok_or(Reason::Truncated)?;
    flow.destination = if END == SOURCE {
        Address::v4([header[12], header[13], header[14], header[15]])
    } else {
        Address::v4([header[16], header[17], header[18], header[19]])
    };
    let header_len = u32::from(header[0] & 0x0f) * 4;
    if header_len < IPV4_MIN_HEADER {
        return Err(Reason::UnreadableHeader);
    }
    if u16::from_be_bytes([header[6], header[7]]) & IPV4_FRAGMENT_BITS != 0 {
        return Err(Reason::Fragment);
    }
    if header_len > IPV4_MIN_HEADER {
        refuse_source_route(packet, header_len)?;
    }
    transport::<END>(packet, flow, Protocol(header[9]), header_len)
}

/// Walks the IPv4 options: a source route would send the packet past the
/// address that was judged.
#[inline(always)]
fn refuse_source_route(packet: &impl Packet, header_len: u32) -> Result<(), Reason> {
    let mut at = IPV4_MIN_HEADER;
    for _ in 0..MAX_OPTIONS {
        if at >= header_len {
            break;
        }
        let [kind] = packet.load::<1>(at).ok_or(Reason::Truncated)?;
        match kind {
            OPT_END => return Ok(()),
            OPT_NOP => at += 1,
            OPT_LSRR | OPT_SSRR => return Err(Reason::SourceRoute),
            _ => {
                let [len] = packet.load::<1>(at + 1).ok_or(Reason::Truncated)?;
                if len < 2 {
                    return Err(Reason::UnreadableHeader);
                }
                at += u32::from(len);
            }
        }
    }
    // An option that runs past the header is read differently by each router.
    if at == header_len { Ok(()) } else { Err(Reason::UnreadableHeader) }
}

#[inline(always)]
fn parse_v6<const END: bool>(packet: &impl Packet, flow: &mut Flow) -> Result<(), Reason> {
    let address = if END == SOURCE { 8 } else { 24 };
    flow.destination = Address(packet.load::<16>(address).ok_or(Reason::Truncated)?);
    let [mut next] = packet.load::<1>(6).ok_or(Reason::Truncated)?;
    let mut at = IPV6_HEADER;
    for _ in 0..MAX_EXTENSIONS {
        match next {
            EXT_HOP_BY_HOP | EXT_DESTINATION => {
                let [following, len] = packet.load::<2>(at).ok_or(Reason::Truncated)?;
                next = following;
                at += (u32::from(len) + 1) * 8;
            }
            EXT_ROUTING => return Err(Reason::SourceRoute),
            EXT_FRAGMENT => return Err(Reason::Fragment),
            EXT_NONE | EXT_AUTH | EXT_MOBILITY | EXT_HIP | EXT_SHIM6 => {
                return Err(Reason::UnreadableHeader);
            }
            _ => return transport::<END>(packet, flow, Protocol(next), at),
        }
    }
    Err(Reason::UnreadableHeader)
}

#[inline(always)]
fn transport<const END: bool>(
    packet: &impl Packet,
    flow: &mut Flow,
    protocol: Protocol,
    at: u32,
) -> Result<(), Reason> {
    // Zero would read as "any protocol" in a rule.
    if protocol == Protocol::ANY {
        return Err(Reason::UnreadableHeader);
    }
    flow.protocol = protocol;
    if protocol.has_ports() {
        let ports = packet.load::<4>(at).ok_or(Reason::Truncated)?;
        let [from_high, from_low, to_high, to_low] = ports;
        let port = if END == SOURCE { [from_high, from_low] } else { [to_high, to_low] };
        flow.port = u16::from_be_bytes(port);
    } else if at >= packet.len() {
        return Err(Reason::Truncated);
    }
    flow.packets = packet.segments();
    flow.interface = packet.interface();
    Ok(())
}

/// A packet as plain bytes: what tests, fuzzers and `BPF_PROG_TEST_RUN` inputs
/// are.
impl Packet for &[u8] {
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let start = usize::try_from(offset).ok()?;
        self.get(start..)?.first_chunk::<N>().copied()
    }

    fn len(&self) -> u32 {
        u32::try_from((**self).len()).unwrap_or(u32::MAX)
    }

    fn segments(&self) -> u32 {
        1
    }

    fn interface(&self) -> u32 {
        0
    }
}

#[cfg(test)]
mod tests;
