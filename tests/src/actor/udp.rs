//! UDP: single datagrams and floods.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::errno::Errno;
use serde_json::{Value, json};

use super::{Done, Streams, errno, read};
use crate::wait::now_ns;

/// What became of a series of sends.
#[derive(Debug, Default)]
pub(super) struct Tally {
    attempts: u64,
    sent: u64,
    errors: BTreeMap<String, u64>,
    /// When the first send failed, before and after the call.
    first_refused: Option<(u64, u64)>,
}

/// Turns at a steady rate, for a time; a late turn is made up for.
#[derive(Debug)]
pub(super) struct Pace {
    start: u64,
    gap_ns: u64,
    end: u64,
    taken: u64,
}

// === impl Pace ===

impl Pace {
    /// `per_second` turns a second (0: without a pause) for `seconds`.
    pub(super) fn new(per_second: u64, seconds: u64) -> Self {
        let start = now_ns();
        let gap_ns = 1_000_000_000_u64.checked_div(per_second).unwrap_or(0);
        Self { start, gap_ns, end: start + seconds * 1_000_000_000, taken: 0 }
    }

    /// Waits for the next turn; `false` when the time is over.
    pub(super) fn next(&mut self) -> bool {
        let due = self.start + self.taken * self.gap_ns;
        let now = now_ns();
        if due.max(now) >= self.end && (self.gap_ns == 0 || due >= self.end) {
            return false;
        }
        if due > now {
            std::thread::sleep(Duration::from_nanos(due - now));
        }
        self.taken += 1;
        true
    }

    /// Turns taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

// === impl Tally ===

impl Tally {
    pub(super) fn note(&mut self, before: u64, result: std::io::Result<usize>) {
        self.attempts += 1;
        match result {
            Ok(_) => self.sent += 1,
            Err(error) => {
                *self.errors.entry(format!("{:?}", errno(&error))).or_default() += 1;
                let _first = self.first_refused.get_or_insert((before, now_ns()));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.sent += other.sent;
        for (name, count) in other.errors {
            *self.errors.entry(name).or_default() += count;
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "attempts": self.attempts, "sent": self.sent, "errors": self.errors,
            "first_refused_ns": self.first_refused.map(|(before, _)| before),
            "first_refused_end_ns": self.first_refused.map(|(_, after)| after),
        })
    }
}

/// A socket of the family of `target`; v4-mapped addresses are IPv6.
pub(super) fn socket(target: SocketAddr) -> Result<UdpSocket, Errno> {
    let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(any).map_err(|error| errno(&error))
}

pub(super) fn target(address: &str, port: &str) -> Result<SocketAddr, Errno> {
    Ok(SocketAddr::new(read::<IpAddr>(address)?, read(port)?))
}

/// Sends `count` datagrams, `how` being `connected` or `unconnected`. Only the
/// `connect` itself fails the command; refused sends are counted.
pub(super) fn send(how: &str, address: &str, port: &str, count: &str) -> Done {
    let target = target(address, port)?;
    let socket = socket(target)?;
    let connected = how == "connected";
    if connected {
        socket.connect(target).map_err(|error| errno(&error))?;
    }
    let mut tally = Tally::default();
    for _ in 0..read::<u64>(count)? {
        tally.note(now_ns(), send_one(&socket, connected, target, &[0; 32]));
    }
    Ok(tally.json())
}

fn send_one(
    socket: &UdpSocket,
    connected: bool,
    target: SocketAddr,
    data: &[u8],
) -> std::io::Result<usize> {
    if connected { socket.send(data) } else { socket.send_to(data, target) }
}

/// Connects a socket and keeps it under `name`; port 0 leaves it unconnected,
/// bound to any port.
pub(super) fn open(streams: &mut Streams, name: &str, address: &str, port: &str) -> Done {
    let target = target(address, port)?;
    let socket = socket(target)?;
    if target.port() != 0 {
        socket.connect(target).map_err(|error| errno(&error))?;
    }
    let port = socket.local_addr().map_err(|error| errno(&error))?.port();
    let _old = streams.udp.insert(name.to_owned(), socket);
    Ok(json!({ "port": port }))
}

/// Sends one datagram on the socket called `name`.
pub(super) fn send_on(streams: &mut Streams, name: &str) -> Done {
    let socket = streams.udp.get(name).ok_or(Errno::EBADF)?;
    socket.send(&[0; 32]).map(|bytes| json!({ "bytes": bytes })).map_err(|error| errno(&error))
}

/// Sends one datagram on the socket called `name`, to anywhere.
pub(super) fn send_to_on(streams: &mut Streams, name: &str, address: &str, port: &str) -> Done {
    let socket = streams.udp.get(name).ok_or(Errno::EBADF)?;
    let sent = socket.send_to(&[0; 32], target(address, port)?);
    sent.map(|bytes| json!({ "bytes": bytes })).map_err(|error| errno(&error))
}

/// Waits for a datagram, or for the end of the socket called `name`.
pub(super) fn wait(streams: &mut Streams, name: &str, seconds: &str) -> Done {
    let socket = streams.udp.get(name).ok_or(Errno::EBADF)?;
    let patience = Duration::from_secs(read(seconds)?);
    socket.set_read_timeout(Some(patience)).map_err(|error| errno(&error))?;
    let received = socket.recv(&mut [0; 64]);
    received.map(|bytes| json!({ "bytes": bytes })).map_err(|error| errno(&error))
}

/// Sends one datagram and waits a second for its echo.
pub(super) fn echo(address: &str, port: &str) -> Done {
    let target = target(address, port)?;
    let socket = socket(target)?;
    let work = || -> std::io::Result<usize> {
        let _sent = socket.send_to(b"echo", target)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.recv(&mut [0; 64])
    };
    work().map(|bytes| json!({ "bytes": bytes })).map_err(|error| errno(&error))
}

/// `numbers`: packets a second, seconds, threads, sockets a thread, payload.
pub(super) fn flood(how: &str, address: &str, port: &str, numbers: &[&str; 5]) -> Done {
    let target = target(address, port)?;
    let mut read_numbers = [0_u64; 5];
    for (number, word) in read_numbers.iter_mut().zip(numbers) {
        *number = read(word)?;
    }
    let [pps, seconds, threads, sockets, len] = read_numbers;
    let connected = how == "connected";
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            std::thread::spawn(move || {
                flood_thread(target, connected, [pps / threads, seconds, sockets, len])
            })
        })
        .collect();
    let mut whole = Tally::default();
    for worker in workers {
        whole.add(worker.join().map_err(|_| Errno::EIO)??);
    }
    Ok(whole.json())
}

fn flood_thread(
    target: SocketAddr,
    connected: bool,
    [pps, seconds, sockets, len]: [u64; 4],
) -> Result<Tally, Errno> {
    let sockets = (0..sockets).map(|_| socket(target)).collect::<Result<Vec<_>, _>>()?;
    if connected {
        sockets.iter().try_for_each(|s| s.connect(target)).map_err(|error| errno(&error))?;
    }
    let data = vec![0; usize::try_from(len).map_err(|_| Errno::EINVAL)?];
    let mut tally = Tally::default();
    let mut pace = Pace::new(pps, seconds);
    for socket in sockets.iter().cycle() {
        if !pace.next() {
            break;
        }
        tally.note(now_ns(), send_one(socket, connected, target, &data));
    }
    Ok(tally)
}
