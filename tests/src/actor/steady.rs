//! UDP in the background: a datagram every so often until told to stop, while
//! the agent goes on taking orders.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use serde_json::json;

use super::udp::{Tally, socket, target};
use super::{Done, Streams, read};
use crate::wait::now_ns;

/// One sender.
#[derive(Debug)]
pub(super) struct Steady {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// Starts to send a datagram every `gap_us`, on one socket, under `name`.
pub(super) fn start(
    streams: &mut Streams,
    name: &str,
    address: &str,
    port: &str,
    gap_us: &str,
) -> Done {
    let (target, gap) = (target(address, port)?, Duration::from_micros(read(gap_us)?));
    let socket = socket(target)?;
    let stop = Arc::<AtomicBool>::default();
    let told = Arc::clone(&stop);
    let thread = std::thread::spawn(move || send(&socket, target, gap, &told));
    let _old = streams.steady.insert(name.to_owned(), Steady { stop, thread });
    Ok(json!({}))
}

/// Stops the sender `name`; what became of its datagrams.
pub(super) fn stop(streams: &mut Streams, name: &str) -> Done {
    let steady = streams.steady.remove(name).ok_or(Errno::EBADF)?;
    steady.stop.store(true, Ordering::SeqCst);
    Ok(steady.thread.join().map_err(|_| Errno::EIO)?.json())
}

/// Makes sockets, one datagram each, and keeps them: `count` of them.
pub(super) fn storm(streams: &mut Streams, address: &str, port: &str, count: &str) -> Done {
    let target = target(address, port)?;
    let mut tally = Tally::default();
    let (mut refused, mut why) = (0_u64, None);
    for _ in 0..read::<u64>(count)? {
        match socket(target) {
            Ok(socket) => {
                tally.note(now_ns(), socket.send_to(&[0; 32], target));
                streams.others.push(socket.into());
            }
            Err(error) => (refused, why) = (refused + 1, Some(error)),
        }
    }
    let mut answer = tally.json();
    answer["refused"] = json!(refused);
    answer["why"] = json!(why.map(|error| error.to_string()));
    Ok(answer)
}

fn send(socket: &UdpSocket, target: SocketAddr, gap: Duration, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::SeqCst) {
        tally.note(now_ns(), socket.send_to(&[0; 32], target));
        std::thread::sleep(gap);
    }
    tally
}
