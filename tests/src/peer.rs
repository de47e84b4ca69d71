//! The other end of the wire. It answers, and it remembers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::{Capture, Captured};
use crate::netns::Netns;
use crate::wait::now_ns;
use crate::{ECHO_PORT, OTHER_PORT, SINK_PORT};

/// Ports served over TCP and UDP, on every address of the peer.
const PORTS: [u16; 3] = [ECHO_PORT, SINK_PORT, OTHER_PORT];
/// How often a server looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// How a TCP connection ended, as the server saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The server's port.
    pub port: u16,
    /// `None`: the client closed it.
    pub error: Option<Errno>,
    /// When the server noticed, `CLOCK_MONOTONIC`.
    pub ns: u64,
}

/// The peer's servers and its capture.
#[derive(Debug)]
pub struct Peer {
    capture: Capture,
    tcp_bytes: Arc<Mutex<BTreeMap<u16, u64>>>,
    endings: Arc<Mutex<Vec<Ending>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Sinks: bound, so that no ICMP error goes back, and never read.
    _sinks: Vec<UdpSocket>,
}

// === impl Peer ===

impl Peer {
    /// Serves in `netns`, whose addresses must be up.
    pub fn start(netns: &Netns) -> Self {
        let (tcp_bytes, stop) = <(Arc<Mutex<BTreeMap<u16, u64>>>, Arc<AtomicBool>)>::default();
        let endings = Arc::<Mutex<Vec<Ending>>>::default();
        let mut threads = Vec::new();
        for port in PORTS {
            let listener = netns.run(|| TcpListener::bind(("::", port)).expect("listen"));
            let (counts, stop) = (Arc::clone(&tcp_bytes), Arc::clone(&stop));
            let endings = Arc::clone(&endings);
            threads.push(std::thread::spawn(move || {
                accept(&listener, port, &counts, &endings, &stop);
            }));
        }
        let bind = |port| netns.run(|| UdpSocket::bind(("::", port)).expect("bind"));
        let (echo, echo_stop) = (bind(ECHO_PORT), Arc::clone(&stop));
        threads.push(std::thread::spawn(move || echo_udp(&echo, &echo_stop)));
        let sinks = [SINK_PORT, OTHER_PORT].map(bind).into();
        Self { capture: Capture::start(netns), tcp_bytes, endings, stop, threads, _sinks: sinks }
    }

    /// Every packet of the agent that has arrived until now.
    pub fn packets(&self) -> Vec<Captured> {
        self.capture.packets()
    }

    /// The packets among them that went to `address`.
    pub fn packets_to(&self, address: &str) -> Vec<Captured> {
        let mut packets = self.packets();
        packets.retain(|packet| packet.dst.to_string() == address);
        packets
    }

    /// The packets that the wire took later than `ns` of `CLOCK_MONOTONIC`.
    pub fn packets_after(&self, ns: u64) -> Vec<Captured> {
        let mut packets = self.packets();
        packets.retain(|packet| packet.ns > ns);
        packets
    }

    /// Bytes that TCP clients have delivered to `port`.
    pub fn tcp_bytes(&self, port: u16) -> u64 {
        self.tcp_bytes.lock().expect("no server panics").get(&port).copied().unwrap_or(0)
    }

    /// How the TCP connections to `port` that have ended did so.
    pub fn endings(&self, port: u16) -> Vec<Ending> {
        let endings = self.endings.lock().expect("no server panics");
        endings.iter().filter(|ending| ending.port == port).copied().collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    port: u16,
    counts: &Mutex<BTreeMap<u16, u64>>,
    endings: &Mutex<Vec<Ending>>,
    stop: &AtomicBool,
) {
    listener.set_nonblocking(true).expect("non-blocking accept");
    std::thread::scope(|scope| {
        while !stop.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, _)) => {
                    scope.spawn(move || {
                        let error = serve(stream, port, counts, stop);
                        let ending = Ending { port, error, ns: now_ns() };
                        endings.lock().expect("no server panics").push(ending);
                    });
                }
                Err(_) => wait_for_client(listener),
            }
        }
    });
}

/// Returns at once when somebody connects, and now and then when nobody does.
fn wait_for_client(listener: &TcpListener) {
    let timeout = PollTimeout::try_from(TICK).expect("a short time");
    let _readable = poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout);
}

/// Counts what comes; an HTTP request gets an answer. Gives the error that
/// ended it.
fn serve(
    mut stream: TcpStream,
    port: u16,
    counts: &Mutex<BTreeMap<u16, u64>>,
    stop: &AtomicBool,
) -> Option<Errno> {
    stream.set_nonblocking(false).expect("blocking reads");
    stream.set_read_timeout(Some(TICK)).expect("a read timeout");
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::SeqCst) {
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(n) => {
                *counts.lock().expect("no server panics").entry(port).or_default() += n as u64;
                if buffer.starts_with(b"GET ") {
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";
                    let _sent = stream.write_all(answer);
                    return None;
                }
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN)) => {}
            Err(error) => return Some(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }
    None
}

fn echo_udp(socket: &UdpSocket, stop: &AtomicBool) {
    socket.set_read_timeout(Some(TICK)).expect("a read timeout");
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::SeqCst) {
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let _sent = socket.send_to(&buffer[..len], from);
        }
    }
}
