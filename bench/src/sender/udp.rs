//! Small datagrams, as many as one call takes.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, connect, setsockopt, socket,
    sockopt,
};

use crate::order::Sent;

/// Datagrams a call.
const BATCH: usize = 64;
/// Bytes of payload: with headers the smallest Ethernet frame.
const PAYLOAD: usize = 18;
/// Room for what the far end has not dropped yet.
const SEND_BUFFER: usize = 8 << 20;

/// A socket and where it sends.
pub(super) struct Flood {
    socket: OwnedFd,
    /// Empty for a connected socket.
    to: Vec<SockaddrStorage>,
    next: usize,
    /// One call for each datagram: a refusal does not end the others.
    singly: bool,
}

// === impl Flood ===

impl Flood {
    pub(super) fn connected(to: SocketAddr) -> Result<Self> {
        let socket = open(to)?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).context("connect a socket")?;
        Ok(Self { socket, to: Vec::new(), next: 0, singly: false })
    }

    /// To these in turn; there is at least one.
    pub(super) fn to(to: &[SocketAddr]) -> Result<Self> {
        let first = to.first().context("there is no destination")?;
        let to = to.iter().copied().map(SockaddrStorage::from).collect();
        Ok(Self { socket: open(*first)?, to, next: 0, singly: false })
    }

    /// The same with a call for each datagram.
    pub(super) fn singly(self) -> Self {
        Self { singly: true, ..self }
    }

    /// Sends a batch.
    pub(super) fn batch(&mut self, sent: &mut Sent) {
        let mut payload = [0_u8; PAYLOAD];
        let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: PAYLOAD };
        let mut messages = [const { EMPTY }; BATCH];
        for message in &mut messages {
            message.msg_hdr.msg_iov = &raw mut part;
            message.msg_hdr.msg_iovlen = 1;
            if let Some(to) = self.to.get(self.next) {
                message.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
                message.msg_hdr.msg_namelen = to.len();
                self.next = if self.next + 1 == self.to.len() { 0 } else { self.next + 1 };
            }
        }
        let at_once = if self.singly { 1 } else { BATCH };
        let mut rest = &mut messages[..];
        while !rest.is_empty() {
            let many = rest.len().min(at_once);
            let done = self.call(&mut rest[..many]);
            sent.done += done as u64;
            sent.failed += u64::from(done == 0);
            rest = &mut rest[done.max(1)..];
        }
    }

    /// How many of them the kernel took; 0 when it refused the first.
    fn call(&self, messages: &mut [libc::mmsghdr]) -> usize {
        let many = libc::c_uint::try_from(messages.len()).unwrap_or(0);
        // SAFETY: `messages` are as many headers, and what they point to (one
        // part, addresses of `self.to`) lives longer than the call, which only reads it.
        let done =
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), many, 0) };
        usize::try_from(done).unwrap_or(0)
    }
}

/// No address, no parts, nothing else.
const EMPTY: libc::mmsghdr = libc::mmsghdr {
    // SAFETY: integers and pointers, for which zero is a value.
    msg_hdr: libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_iov: ptr::null_mut(),
        msg_control: ptr::null_mut(),
        ..unsafe { mem::zeroed() }
    },
    msg_len: 0,
};

fn open(to: SocketAddr) -> Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .context("make a socket")?;
    setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).context("enlarge the buffer")?;
    Ok(socket)
}
