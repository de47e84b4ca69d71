//! The peer's wire as it is: every frame, the kernel's own among them.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};

use crate::agent::Agent;
use crate::netns::Netns;
use crate::wait::eventually;
use crate::{ALLOWED_V4, SINK_PORT};

/// Bytes the tap may fall behind by.
const BUFFER: usize = 16 << 20;

/// Frames that arrive in a network namespace, from the beginning on.
#[derive(Debug)]
pub struct Tap {
    socket: OwnedFd,
    frames: Vec<Vec<u8>>,
}

// === impl Tap ===

impl Tap {
    /// Listens in `netns`, on every interface.
    pub fn start(netns: &Netns) -> Self {
        let socket = netns.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
        });
        let socket = socket.expect("open a packet socket");
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("a large buffer");
        Self { socket, frames: Vec::new() }
    }

    /// Whether a frame so far had these bytes in it.
    pub fn saw(&mut self, bytes: &[u8]) -> bool {
        let mut buffer = [0; 2048];
        while let Ok(length) = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            self.frames.push(buffer[..length].to_vec());
        }
        self.frames.iter().any(|frame| frame.windows(bytes.len()).any(|part| part == bytes))
    }

    /// As [`Tap::saw`], after a datagram that `agent` may send has arrived:
    /// whatever it sent before has, too.
    #[track_caller]
    pub fn saw_before_next(&mut self, agent: &mut Agent, bytes: &[u8]) -> bool {
        self.frames.retain(|frame| !is_mark(frame));
        agent.expect_ok(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
        eventually("the mark on the wire", || {
            let seen = self.saw(bytes);
            self.frames.iter().any(|frame| is_mark(frame)).then_some(seen)
        })
    }
}

/// Ethernet, IPv4 without options, UDP to the sink.
fn is_mark(frame: &[u8]) -> bool {
    frame.get(23) == Some(&17) && frame.get(36..38) == Some(&SINK_PORT.to_be_bytes()[..])
}
