//! The header parser: no bytes make it panic, and what it reads is what a
//! second, naive reading of the same bytes finds.
#![no_main]

use enforcer_common::{Address, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(flow) = parse(&bytes) else { return };
    let (destination, protocol, at) = if bytes[0] >> 4 == 4 { v4(bytes) } else { v6(bytes) };
    assert_eq!(flow.destination, destination);
    assert_eq!(flow.protocol.0, protocol);
    assert_ne!(protocol, 0, "zero would read as any protocol");
    let ports = flow.protocol.has_ports();
    let port = if ports { u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]) } else { 0 };
    assert_eq!(flow.port, port);
    assert_eq!(flow.bytes as usize, bytes.len());
    assert_eq!(flow.packets, 1);
});

/// Destination, protocol and offset of the transport header (RFC 791).
fn v4(bytes: &[u8]) -> (Address, u8, usize) {
    assert_eq!(bytes[6] & 0x3f, 0, "a fragment was read");
    assert_eq!(bytes[7], 0, "a fragment was read");
    let destination = Address::v4([bytes[16], bytes[17], bytes[18], bytes[19]]);
    (destination, bytes[9], usize::from(bytes[0] & 15) * 4)
}

/// The same for IPv6: only hop-by-hop and destination options are passed over
/// (RFC 8200 section 4).
fn v6(bytes: &[u8]) -> (Address, u8, usize) {
    let destination = Address(bytes[24..40].try_into().expect("16 bytes"));
    let (mut next, mut at) = (bytes[6], 40);
    while next == 0 || next == 60 {
        next = bytes[at];
        at += 8 + usize::from(bytes[at + 1]) * 8;
    }
    (destination, next, at)
}
