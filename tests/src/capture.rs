//! What came out of the agent's side, as the peer's wire saw it: every IP
//! packet, with the kernel's time stamp.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use enforcer_common::{bare_reset, parse};
use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::netns::Netns;
use crate::wait::{eventually, realtime_offset_ns};
use crate::{AGENT_V4, AGENT_V6};

/// Bytes the capture may fall behind by.
const BUFFER: usize = 256 << 20;
/// Longest packet seen on a veth with GSO.
const SNAP: usize = 65_536 + 256;

/// One packet of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// `CLOCK_MONOTONIC` when the wire took it.
    pub ns: u64,
    /// IP protocol number; 255 where the headers cannot be read.
    pub proto: u8,
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Destination port; 0 without one.
    pub dport: u16,
    /// Bytes at layer 3.
    pub len: u32,
    /// TCP flags; 0 for others.
    pub flags: u8,
    /// A TCP reset and nothing else.
    pub bare_reset: bool,
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    seen: Arc<Mutex<Vec<Captured>>>,
    /// Times the socket was found empty.
    drained: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    socket: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

// === impl Capture ===

impl Capture {
    /// Captures what arrives in `netns` from the agent's addresses.
    pub fn start(netns: &Netns) -> Self {
        let socket = Arc::new(netns.run(open));
        let (seen, drained, stop) = <(Arc<Mutex<_>>, Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let thread = std::thread::spawn({
            let (socket, seen) = (Arc::clone(&socket), Arc::clone(&seen));
            let (drained, stop) = (Arc::clone(&drained), Arc::clone(&stop));
            move || pump(&socket, &seen, &drained, &stop)
        });
        Self { seen, drained, stop, socket, thread: Some(thread) }
    }

    /// Every packet that has arrived until now.
    ///
    /// # Panics
    /// When the capture has lost packets, or has died.
    pub fn packets(&self) -> Vec<Captured> {
        let since = self.drained.load(Ordering::SeqCst);
        // The second emptiness is certainly later than this call.
        eventually("the capture to drain", || {
            (self.drained.load(Ordering::SeqCst) >= since + 2).then_some(())
        });
        assert_eq!(dropped(&self.socket), 0, "the capture lost packets");
        self.seen.lock().expect("the capture thread lives").clone()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn open() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll)
        .expect("open a packet socket");
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("a large buffer");
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("time stamps");
    socket
}

fn pump(socket: &OwnedFd, seen: &Mutex<Vec<Captured>>, drained: &AtomicU64, stop: &AtomicBool) {
    let offset = realtime_offset_ns();
    let mut buffer = vec![0; SNAP];
    while !stop.load(Ordering::SeqCst) {
        while let Some((len, stamp)) = receive(socket, &mut buffer) {
            let ns = stamp.saturating_sub(offset);
            if let Some(packet) = read(&buffer[..len], ns) {
                seen.lock().expect("no reader panics").push(packet);
            }
        }
        drained.fetch_add(1, Ordering::SeqCst);
        let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let _ready = poll(&mut wanted, PollTimeout::from(5_u8));
    }
}

/// One packet: its length and `CLOCK_REALTIME` stamp; `None` when empty.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, u64)> {
    let mut control = cmsg_space!(TimeSpec);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())
            .ok()?;
    let stamp = message.cmsgs().ok()?.find_map(|control| {
        let ControlMessageOwned::ScmTimestampns(time) = control else { return None };
        let ns = i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec());
        u64::try_from(ns).ok()
    });
    Some((message.bytes, stamp.expect("every packet has a time stamp")))
}

/// Packets the socket had no room for, since the last question.
fn dropped(socket: &OwnedFd) -> u32 {
    let mut stats = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut len = libc::socklen_t::try_from(size_of_val(&stats)).expect("a small struct");
    // SAFETY: both pointers are to locals of the length given.
    let rc = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut len,
        )
    };
    assert_eq!(rc, 0, "packet statistics");
    stats.tp_drops
}

/// The agent's packets; neighbour discovery and group management are the
/// kernel's own and left out.
fn read(bytes: &[u8], ns: u64) -> Option<Captured> {
    let (src, dst, proto, header) = match bytes.first()? >> 4 {
        4 => {
            let [s, d] = [12, 16].map(|at| bytes.get(at..at + 4)?.first_chunk::<4>().copied());
            let header = usize::from(bytes[0] & 15) * 4;
            (IpAddr::from(Ipv4Addr::from(s?)), IpAddr::from(Ipv4Addr::from(d?)), bytes[9], header)
        }
        6 => {
            let [s, d] = [8, 24].map(|at| bytes.get(at..at + 16)?.first_chunk::<16>().copied());
            (IpAddr::from(Ipv6Addr::from(s?)), IpAddr::from(Ipv6Addr::from(d?)), bytes[6], 40)
        }
        _ => return None,
    };
    if ![AGENT_V4, AGENT_V6].contains(&src.to_string().as_str())
        || is_housekeeping(proto, bytes.get(header))
    {
        return None;
    }
    let flags = if proto == 6 { bytes.get(header + 13).copied().unwrap_or(0) } else { 0 };
    let len = u32::try_from(bytes.len()).expect("a packet fits 32 bits");
    let dport = parse(&bytes).map_or(0, |flow| flow.port);
    Some(Captured { ns, proto, src, dst, dport, len, flags, bare_reset: bare_reset(&bytes) })
}

/// RFC 4443/4861/3810: MLD 130–132 and 143, neighbour discovery 133–137.
fn is_housekeeping(proto: u8, kind: Option<&u8>) -> bool {
    proto == 2
        || proto == 0
        || (proto == 58 && kind.is_some_and(|k| (130..=137).contains(k) || *k == 143))
}
