//! A destination that another thread changes while the call reads it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockType};
use serde_json::json;

use super::aim::fresh;
use super::{Done, read};

/// Rounds after which it is given up that both destinations come up.
const MOST: u64 = 1_000_000;

/// `struct sockaddr_in`, with an address that may change at any time.
#[repr(C)]
struct Shifting {
    family: u16,
    port: u16,
    address: AtomicU32,
    zero: [u8; 8],
}

/// Calls `sendto`, `sendmsg` or `connect` at least `rounds` times with an
/// address that jumps between `good` and `bad`; how often each way it ended.
pub(super) fn run(how: &str, good: &str, bad: &str, port: &str, rounds: &str) -> Done {
    let spell = |word| Ok(u32::from_ne_bytes(read::<Ipv4Addr>(word)?.octets()));
    let (good, bad): (u32, u32) = (spell(good)?, spell(bad)?);
    let name = Shifting {
        family: libc::AF_INET.unsigned_abs().try_into().map_err(|_| Errno::EINVAL)?,
        port: SocketAddrV4::new(Ipv4Addr::LOCALHOST, read(port)?).port().to_be(),
        address: AtomicU32::new(good),
        zero: [0; 8],
    };
    let (rounds, stop): (u64, _) = (read(rounds)?, AtomicBool::new(false));
    let tally = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _old = name.address.fetch_xor(good ^ bad, Ordering::Relaxed);
            }
        });
        let tally = series(how, &name, rounds);
        stop.store(true, Ordering::Relaxed);
        tally
    });
    let [sent, refused] = tally?;
    Ok(json!({ "sent": sent, "refused": refused }))
}

/// How often it was sent and refused.
fn series(how: &str, name: &Shifting, rounds: u64) -> Result<[u64; 2], Errno> {
    let socket = fresh(AddressFamily::Inet, SockType::Datagram)?;
    let mut tally = [0; 2];
    for round in 0..MOST {
        if round >= rounds && tally.iter().all(|&count| count > 0) {
            break;
        }
        match once(how, socket.as_raw_fd(), name) {
            Ok(()) => tally[0] += 1,
            Err(Errno::EPERM) => tally[1] += 1,
            Err(other) => return Err(other),
        }
    }
    Ok(tally)
}

fn once(how: &str, fd: RawFd, name: &Shifting) -> Result<(), Errno> {
    let (to, data) = (std::ptr::from_ref(name), [7_u8; 32]);
    // SAFETY: buffers and an address of the lengths given; the kernel copies
    // the address, whatever it is at that moment.
    let result = unsafe {
        match how {
            "sendto" => libc::sendto(fd, data.as_ptr().cast(), 32, 0, to.cast(), 16),
            "sendmsg" => {
                let base = data.as_ptr().cast_mut().cast();
                let mut part = libc::iovec { iov_base: base, iov_len: 32 };
                let mut message: libc::msghdr = std::mem::zeroed();
                message.msg_name = to.cast_mut().cast();
                message.msg_namelen = 16;
                message.msg_iov = &raw mut part;
                message.msg_iovlen = 1;
                libc::sendmsg(fd, &raw const message, 0)
            }
            _ => match libc::connect(fd, to.cast(), 16) {
                0 => libc::send(fd, data.as_ptr().cast(), 32, 0),
                _ => -1,
            },
        }
    };
    Errno::result(result).map(drop)
}
