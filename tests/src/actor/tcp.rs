//! TCP.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{SockaddrIn, connect as connect_fd};
use serde_json::json;

use super::udp::Pace;
use super::{Done, Streams, errno, read};
use crate::wait::now_ns;

/// A denied SYN would be waited for; the connect hook answers at once.
const TIMEOUT: Duration = Duration::from_secs(2);

fn target(address: &str, port: &str) -> Result<SocketAddr, Errno> {
    Ok(SocketAddr::new(read::<IpAddr>(address)?, read(port)?))
}

/// Opens a connection and keeps it under `name`.
pub(super) fn connect(streams: &mut Streams, name: &str, address: &str, port: &str) -> Done {
    let stream = open(target(address, port)?)?;
    let _old = streams.tcp.insert(name.to_owned(), stream);
    Ok(json!({}))
}

fn open(target: SocketAddr) -> Result<TcpStream, Errno> {
    let stream = TcpStream::connect_timeout(&target, TIMEOUT).map_err(|error| {
        let timed_out = error.kind() == std::io::ErrorKind::TimedOut;
        if timed_out { Errno::ETIMEDOUT } else { errno(&error) }
    })?;
    stream.set_nodelay(true).map_err(|error| errno(&error))?;
    Ok(stream)
}

/// Writes `bytes` zeros.
pub(super) fn write(streams: &mut Streams, name: &str, bytes: &str) -> Done {
    let stream = streams.tcp.get_mut(name).ok_or(Errno::EBADF)?;
    stream.write_all(&vec![0; read(bytes)?]).map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Writes `bytes` zeros `count` times, `gap_us` apart; stops at an error and
/// does not wait for a peer that no longer takes any.
pub(super) fn write_loop(
    streams: &mut Streams,
    name: &str,
    bytes: &str,
    gap_us: &str,
    count: &str,
) -> Done {
    let stream = streams.tcp.get_mut(name).ok_or(Errno::EBADF)?;
    stream.set_nonblocking(true).map_err(|error| errno(&error))?;
    let (data, gap) = (vec![0; read(bytes)?], read::<u64>(gap_us)?);
    let mut written = 0;
    for _ in 0..read::<u64>(count)? {
        written += stream.write(&data).unwrap_or(0);
        std::thread::sleep(Duration::from_micros(gap));
    }
    stream.set_nonblocking(false).map_err(|error| errno(&error))?;
    Ok(json!({ "written": written }))
}

/// Writes `bytes` zeros every `gap_us` until it fails, for at most `seconds`;
/// says what it failed with and when. A peer that takes no more is waited for.
pub(super) fn stream(
    streams: &mut Streams,
    name: &str,
    bytes: &str,
    gap_us: &str,
    seconds: &str,
) -> Done {
    let stream = streams.tcp.get_mut(name).ok_or(Errno::EBADF)?;
    let (data, gap) = (vec![0; read(bytes)?], Duration::from_micros(read(gap_us)?));
    let (start, seconds) = (now_ns(), read::<u64>(seconds)?);
    let mut written = 0;
    while now_ns() < start + seconds * 1_000_000_000 {
        match stream.write(&data) {
            Ok(bytes) => written += bytes,
            Err(error) => {
                let failed = format!("{:?}", errno(&error));
                return Ok(json!({ "written": written, "failed": failed, "failed_ns": now_ns() }));
            }
        }
        std::thread::sleep(gap);
    }
    Ok(json!({ "written": written, "failed": null }))
}

/// Listens on every address, under `name`.
pub(super) fn listen(streams: &mut Streams, name: &str, port: &str) -> Done {
    let listener = TcpListener::bind(("::", read(port)?)).map_err(|error| errno(&error))?;
    let _old = streams.listeners.insert(name.to_owned(), listener);
    Ok(json!({}))
}

/// Waits for a client of the listener `name` and keeps it under the same.
pub(super) fn accept(streams: &mut Streams, name: &str) -> Done {
    let listener = streams.listeners.get(name).ok_or(Errno::EBADF)?;
    let (stream, _) = listener.accept().map_err(|error| errno(&error))?;
    let _old = streams.tcp.insert(name.to_owned(), stream);
    Ok(json!({}))
}

/// Connects the socket called `name` to somewhere else: to nowhere first, which
/// makes it as good as new.
pub(super) fn reconnect(streams: &mut Streams, name: &str, address: &str, port: &str) -> Done {
    let stream = streams.tcp.get(name).ok_or(Errno::EBADF)?;
    let SocketAddr::V4(target) = target(address, port)? else { return Err(Errno::EAFNOSUPPORT) };
    let nowhere = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    // SAFETY: the address is a local of the length given.
    Errno::result(unsafe { libc::connect(stream.as_raw_fd(), &raw const nowhere, 16) })?;
    connect_fd(stream.as_raw_fd(), &SockaddrIn::from(target))?;
    Ok(json!({}))
}

/// Tries `per_second` connections a second and closes each at once.
pub(super) fn connect_rate(address: &str, port: &str, per_second: &str, seconds: &str) -> Done {
    let target = target(address, port)?;
    let (mut opened, mut errors) = (0_u64, BTreeMap::<String, u64>::new());
    let mut pace = Pace::new(read(per_second)?, read(seconds)?);
    while pace.next() {
        match open(target) {
            Ok(_closed) => opened += 1,
            Err(errno) => *errors.entry(format!("{errno:?}")).or_default() += 1,
        }
    }
    Ok(json!({ "attempts": pace.taken(), "opened": opened, "errors": errors }))
}

/// Tries `each` connections in each of `threads` threads at once.
pub(super) fn connect_storm(address: &str, port: &str, threads: &str, each: &str) -> Done {
    let (target, each) = (target(address, port)?, read::<u64>(each)?);
    let one = move || (0..each).map(|_| open(target).err()).collect::<Vec<_>>();
    let threads: Vec<_> = (0..read::<u64>(threads)?).map(|_| std::thread::spawn(one)).collect();
    let (mut opened, mut errors) = (0_u64, BTreeMap::<String, u64>::new());
    for thread in threads {
        for ended in thread.join().map_err(|_| Errno::EIO)? {
            match ended {
                None => opened += 1,
                Some(errno) => *errors.entry(format!("{errno:?}")).or_default() += 1,
            }
        }
    }
    Ok(json!({ "opened": opened, "errors": errors }))
}

/// Closes the connection called `name`.
pub(super) fn close(streams: &mut Streams, name: &str) -> Done {
    streams.tcp.remove(name).map(|_| json!({})).ok_or(Errno::EBADF)
}
