//! Frames that are handed to an interface as they are: no IP stack, no hook of
//! a cgroup.

use std::ffi::c_int;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::net::if_::if_nametoindex;
use serde_json::json;

use super::aim::set;
use super::{Done, read};
use crate::AGENT_V4;
use crate::forge::{V4, udp};

/// `ETH_P_IP` of `include/uapi/linux/if_ether.h`.
const IP: u16 = 0x0800;
/// `SOCK_PACKET` of `include/linux/net.h`.
const OLD: c_int = 10;
/// `PACKET_VERSION`, `PACKET_TX_RING` and `PACKET_QDISC_BYPASS` of
/// `include/uapi/linux/if_packet.h`.
const VERSION: c_int = 10;
const TX_RING: c_int = 13;
const QDISC_BYPASS: c_int = 20;
/// Where a frame's bytes begin in a slot of the ring, version 2.
const SLOT_HEADER: usize = 32;
const PAGE: usize = 4096;
/// Bytes of a `struct sockaddr_ll`.
const LINK: libc::socklen_t = 20;
/// `TP_STATUS_SEND_REQUEST`.
const SEND_REQUEST: u32 = 1;

/// Sends a UDP datagram as a frame to everybody on the link.
pub(super) fn frame(how: &str, interface: &str, address: &str, port: &str) -> Done {
    let packet = datagram(read(address)?, read(port)?)?;
    let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9], &IP.to_be_bytes(), &packet].concat();
    let index = c_int::try_from(if_nametoindex(interface)?).map_err(|_| Errno::EINVAL)?;
    match how {
        "raw" => send(&open(libc::AF_PACKET, libc::SOCK_RAW)?, &frame, index)?,
        "cooked" => send(&open(libc::AF_PACKET, libc::SOCK_DGRAM)?, &packet, index)?,
        "bypass" => {
            let socket = open(libc::AF_PACKET, libc::SOCK_RAW)?;
            set(socket.as_raw_fd(), libc::SOL_PACKET, QDISC_BYPASS, 1)?;
            send(&socket, &frame, index)?;
        }
        "old" => by_name(&open(libc::AF_INET, OLD)?, &frame, interface)?,
        "ring" => by_ring(&open(libc::AF_PACKET, libc::SOCK_RAW)?, &frame, index)?,
        _ => return Err(Errno::ENOSYS),
    }
    Ok(json!({}))
}

/// An IP packet with a checksum, or no host would look at it.
fn datagram(to: Ipv4Addr, port: u16) -> Result<Vec<u8>, Errno> {
    let payload = udp(port, 8);
    let mut packet = V4 { to, options: &[], fragment: 0, protocol: 17, payload: &payload }.bytes();
    let own = AGENT_V4.parse::<Ipv4Addr>().map_err(|_| Errno::EINVAL)?;
    packet[12..16].copy_from_slice(&own.octets());
    let words = packet[..20].chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) & 0xffff;
    packet[10..12].copy_from_slice(&sum.to_be_bytes()[2..]);
    Ok(packet)
}

fn open(family: c_int, kind: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: three numbers.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, c_int::from(IP.to_be())) };
    // SAFETY: ours, just made.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn link(index: c_int) -> libc::sockaddr_ll {
    // SAFETY: all zero is an address of no family.
    let mut link: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    link.sll_family = libc::AF_PACKET.unsigned_abs().try_into().unwrap_or(0);
    link.sll_protocol = IP.to_be();
    link.sll_ifindex = index;
    link.sll_halen = 6;
    link.sll_addr[..6].copy_from_slice(&[0xff; 6]);
    link
}

fn send(socket: &OwnedFd, frame: &[u8], index: c_int) -> Result<(), Errno> {
    let to = link(index);
    send_to(socket.as_raw_fd(), frame, (&raw const to).cast(), size_of_val(&to))
}

/// The old sockets name the interface where others have the family's address.
fn by_name(socket: &OwnedFd, frame: &[u8], interface: &str) -> Result<(), Errno> {
    // `struct sockaddr_pkt`: family, device, protocol.
    let mut to = [0_u8; 18];
    to[..2].copy_from_slice(&1_u16.to_ne_bytes());
    to[2..2 + interface.len()].copy_from_slice(interface.as_bytes());
    to[16..].copy_from_slice(&IP.to_be_bytes());
    send_to(socket.as_raw_fd(), frame, to.as_ptr().cast(), to.len())
}

fn send_to(fd: RawFd, frame: &[u8], to: *const libc::sockaddr, length: usize) -> Result<(), Errno> {
    let length = u32::try_from(length).map_err(|_| Errno::EINVAL)?;
    // SAFETY: a buffer and an address of the lengths given.
    let sent = unsafe { libc::sendto(fd, frame.as_ptr().cast(), frame.len(), 0, to, length) };
    Errno::result(sent).map(drop)
}

/// From memory shared with the kernel.
fn by_ring(socket: &OwnedFd, frame: &[u8], index: c_int) -> Result<(), Errno> {
    let fd = socket.as_raw_fd();
    set(fd, libc::SOL_PACKET, VERSION, 1)?;
    // `struct tpacket_req`: one page of two slots.
    let request = [4096_u32, 1, 2048, 2];
    // SAFETY: a buffer of the length given.
    Errno::result(unsafe {
        libc::setsockopt(fd, libc::SOL_PACKET, TX_RING, request.as_ptr().cast(), 16)
    })?;
    let (to, length) = (link(index), u32::try_from(frame.len()).map_err(|_| Errno::EINVAL)?);
    // SAFETY: an address of the length given; the mapping is one page, as the
    // ring is, and the frame fits its first slot.
    unsafe {
        Errno::result(libc::bind(fd, (&raw const to).cast(), LINK))?;
        let (read_write, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let page = libc::mmap(std::ptr::null_mut(), PAGE, read_write, shared, fd, 0);
        if page == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let slot = page.cast::<u8>();
        slot.add(SLOT_HEADER).copy_from(frame.as_ptr(), frame.len());
        slot.cast::<[u32; 3]>().write_volatile([SEND_REQUEST, length, length]);
        let sent = Errno::result(libc::send(fd, std::ptr::null(), 0, 0));
        libc::munmap(page, PAGE);
        sent.map(drop)
    }
}
