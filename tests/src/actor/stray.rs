//! Segments of connections that nobody has.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, sendto, socket,
};
use serde_json::json;

use super::{Done, read};

/// `ACK`, and the header's length in words, as the header has them (RFC 9293, section 3.1).
const ACK: u8 = 0x10;
const WORDS: u8 = 5 << 4;

/// Sends acknowledgements of nothing from an address of this side, from ports
/// upward.
pub(super) fn acknowledgements(from: &str, to: &str, port: &str, count: &str) -> Done {
    let (from, to): (Ipv4Addr, Ipv4Addr) = (read(from)?, read(to)?);
    let (port, count): (u16, u16) = (read(port)?, read(count)?);
    let raw =
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Tcp)?;
    bind(raw.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0)))?;
    for own in 0..count {
        let segment = acknowledgement((from, 5000 + own), (to, port));
        let there = SockaddrIn::from(SocketAddrV4::new(to, 0));
        let _sent = sendto(raw.as_raw_fd(), &segment, &there, MsgFlags::empty())?;
    }
    Ok(json!({}))
}

fn acknowledgement(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut segment = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, WORDS, ACK, 0x10, 0, 0, 0, 0, 0]);
    let length = [0, 0, 0, 20];
    let pseudo = [&from.0.octets()[..], &to.0.octets(), &[0, 0, 0, 6], &length].concat();
    let sum = checksum(&[pseudo, segment.clone()].concat());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = (!((folded & 0xffff) + (folded >> 16))).to_be_bytes();
    u16::from_be_bytes([high, low])
}
