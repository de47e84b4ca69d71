//! What the flags of a TCP segment say, at a glance: no options of IP and no
//! extension headers are followed, and a packet that has them is not recognised.

use crate::flow::Protocol;
use crate::header::Packet;

/// An IPv4 header without options: version 4, five words.
const PLAIN_V4: u8 = 0x45;
const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
/// RFC 9293 section 3.1: control bits in the fourteenth byte.
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Where the TCP header of a packet begins that has nothing before it but the
/// shortest IP header; `None` for all others.
#[inline(always)]
fn plain_tcp(packet: &impl Packet) -> Option<u32> {
    let [first] = packet.load::<1>(0)?;
    let (protocol_at, tcp_at) = match first {
        PLAIN_V4 => (9, IPV4_HEADER),
        _ if first >> 4 == 6 => (6, IPV6_HEADER),
        _ => return None,
    };
    let [protocol] = packet.load::<1>(protocol_at)?;
    if protocol == Protocol::TCP.0 { Some(tcp_at) } else { None }
}

/// Whether a packet is TCP that acknowledges something: it goes on with a
/// connection, and what the agent sent on it was judged.
#[inline(always)]
pub fn continues_tcp(packet: &impl Packet) -> bool {
    let Some(tcp_at) = plain_tcp(packet) else { return false };
    packet.load::<1>(tcp_at + 13).is_some_and(|[flags]| flags & ACK != 0)
}

/// Whether the packet is a TCP reset and nothing else: RST set, neither SYN nor
/// FIN, no byte of payload. It is the one packet of a denied connection that may
/// leave, sent by the kernel when the daemon destroys a socket, so that the peer
/// sees the end. What a program could write into it is its options alone.
#[inline(always)]
pub fn bare_reset(packet: &impl Packet) -> bool {
    let Some(tcp_at) = plain_tcp(packet) else { return false };
    let Some([offset, flags]) = packet.load::<2>(tcp_at + 12) else { return false };
    let tcp_len = u32::from(offset >> 4) * 4;
    flags & (RST | SYN | FIN) == RST && packet.len() == tcp_at + tcp_len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP segment with `words` of header and `payload` bytes behind it.
    fn tcp(flags: u8, words: u8, payload: usize) -> Vec<u8> {
        let mut segment = vec![0; usize::from(words) * 4 + payload];
        (segment[12], segment[13]) = (words << 4, flags);
        segment
    }

    fn v4(first: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; usize::from(first & 0x0f) * 4];
        (packet[0], packet[9]) = (first, protocol);
        packet.extend(rest);
        packet
    }

    fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        (packet[0], packet[6]) = (0x60, next);
        packet.extend(rest);
        packet
    }

    fn is_bare(packet: &[u8]) -> bool {
        bare_reset(&packet)
    }

    #[test]
    fn a_reset_with_or_without_options_of_tcp_is_bare() {
        for flags in [RST, RST | ACK] {
            for words in [5, 8] {
                assert!(is_bare(&v4(0x45, 6, &tcp(flags, words, 0))), "{flags:#x} {words}");
                assert!(is_bare(&v6(6, &tcp(flags, words, 0))), "{flags:#x} {words}");
            }
        }
    }

    #[test]
    fn a_reset_that_carries_anything_is_not_bare() {
        assert!(!is_bare(&v4(0x45, 6, &tcp(RST, 5, 1))));
        assert!(!is_bare(&v6(6, &tcp(RST | ACK, 8, 1400))));
        assert!(!is_bare(&v4(0x46, 6, &tcp(RST, 5, 0))), "IP options");
        assert!(!is_bare(&v6(0, &tcp(RST, 5, 0))), "an extension header");
    }

    #[test]
    fn only_resets_are_resets() {
        for flags in [0, ACK, SYN, FIN | ACK, RST | SYN, RST | FIN] {
            assert!(!is_bare(&v4(0x45, 6, &tcp(flags, 5, 0))), "{flags:#x}");
        }
        assert!(!is_bare(&v4(0x45, 17, &tcp(RST, 5, 0))), "UDP");
    }

    #[test]
    fn what_ends_early_is_not_bare() {
        let whole = v4(0x45, 6, &tcp(RST, 5, 0));
        for len in 0..whole.len() {
            assert!(!is_bare(&whole[..len]), "{len} bytes");
        }
        assert!(!is_bare(&v4(0x45, 6, &tcp(RST, 15, 0)[..20])), "a header longer than the packet");
    }

    #[test]
    fn only_tcp_that_acknowledges_goes_on_with_a_connection() {
        let flags = [(ACK, true), (SYN | ACK, true), (SYN, false), (RST, false)];
        for (flags, wanted) in flags {
            for packet in [v4(0x45, 6, &tcp(flags, 5, 0)), v6(6, &tcp(flags, 5, 9))] {
                assert_eq!(continues_tcp(&packet.as_slice()), wanted, "{flags:#x}");
            }
        }
        let segment = tcp(ACK, 5, 0);
        assert!(!continues_tcp(&v4(0x45, 17, &segment).as_slice()), "UDP");
        assert!(!continues_tcp(&v4(0x46, 6, &segment).as_slice()), "IP options");
        assert!(!continues_tcp(&v6(60, &segment).as_slice()), "an extension header");
        let cut = v4(0x45, 6, &segment[..13]);
        assert!(!continues_tcp(&cut.as_slice()), "it ends before its flags");
    }
}
