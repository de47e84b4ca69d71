//! TCP with both ends in one thread, so that its time is that of both.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::ptr;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};

use crate::order::Sent;
use crate::policies::{BULK_PORT, CONNECT_PORT};
use crate::wire::PEER_V4;

/// Connections, or writes, between two looks at the clock.
const BATCH: usize = 8;
const WRITE: usize = 64 << 10;
const SEND_BUFFER: usize = 4 << 20;
/// More than the peer can hold unread.
const READ: usize = 64 << 20;

/// The peer's side.
pub(super) struct Listeners {
    connects: TcpListener,
    bulk: TcpListener,
}

// === impl Listeners ===

impl Listeners {
    /// Opens them in the namespace that the thread is in.
    pub(super) fn open() -> Result<Self> {
        let listen = |port: u16| TcpListener::bind(("0.0.0.0", port)).context("listen");
        Ok(Self { connects: listen(CONNECT_PORT)?, bulk: listen(BULK_PORT)? })
    }

    /// Makes connections and gives them up, without waiting for anybody.
    pub(super) fn connects(&self, sent: &mut Sent) {
        let Ok(to) = peer(CONNECT_PORT) else { return };
        for _ in 0..BATCH {
            match TcpStream::connect(to) {
                Ok(near) => {
                    let accepted = self.connects.accept();
                    // A reset: nothing is left to wait for (`TIME_WAIT`).
                    let now = libc::linger { l_onoff: 1, l_linger: 0 };
                    let reset = setsockopt(&near, sockopt::Linger, &now);
                    let fine = accepted.is_ok() && reset.is_ok();
                    sent.done += u64::from(fine);
                    sent.failed += u64::from(!fine);
                }
                Err(_) => sent.failed += 1,
            }
        }
    }
}

/// One connection.
pub(super) struct Bulk {
    near: TcpStream,
    far: TcpStream,
    data: Vec<u8>,
}

// === impl Bulk ===

impl Bulk {
    pub(super) fn open(listeners: &Listeners) -> Result<Self> {
        let near = TcpStream::connect(peer(BULK_PORT)?).context("connect")?;
        let (far, _) = listeners.bulk.accept().context("accept")?;
        setsockopt(&near, sockopt::SndBufForce, &SEND_BUFFER).context("enlarge the buffer")?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self { near, far, data: vec![0; WRITE] })
    }

    /// Sends what fits and takes what has arrived.
    pub(super) fn push(&mut self, sent: &mut Sent) {
        for _ in 0..BATCH / 2 {
            match self.near.write(&self.data) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => sent.failed += 1,
            }
            sent.done += self.taken();
        }
    }

    /// Bytes that have arrived: they are thrown away in the kernel, not copied.
    fn taken(&self) -> u64 {
        // SAFETY: with MSG_TRUNC a TCP socket drops the data and writes nowhere (tcp(7)).
        let got = unsafe {
            libc::recv(
                self.far.as_raw_fd(),
                ptr::null_mut(),
                READ,
                libc::MSG_TRUNC | libc::MSG_DONTWAIT,
            )
        };
        u64::try_from(got).unwrap_or(0)
    }
}

fn peer(port: u16) -> Result<SocketAddr> {
    Ok((PEER_V4.parse::<IpAddr>()?, port).into())
}
