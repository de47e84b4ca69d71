//! Calls that name no destination of a packet.

use std::io::IoSlice;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use serde_json::json;

use super::{Done, errno, read};

/// Sets an option on a fresh UDP socket to 64 zero bytes. Only a refusal by
/// `EPERM` is an error: whether the kernel likes the value is another matter.
pub(super) fn option(level: &str, name: &str) -> Done {
    let address = if level == "41" { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(address).map_err(|error| errno(&error))?;
    let value = [0_u8; 64];
    let (level, name): (i32, i32) = (read(level)?, read(name)?);
    // SAFETY: an open descriptor and a buffer of the length given.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), 64) };
    match Errno::result(result) {
        Err(Errno::EPERM) => Err(Errno::EPERM),
        other => Ok(json!({ "kernel": format!("{other:?}") })),
    }
}

/// Makes a character device.
pub(super) fn mknod(path: &str, major: &str, minor: &str) -> Done {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(read(major)?, read(minor)?))?;
    Ok(json!({}))
}

/// Connects or sends to a Unix socket; `@` stands for an abstract name.
pub(super) fn unix(how: &str, name: &str) -> Done {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let address = address.map_err(|error| errno(&error))?;
    let done = match how {
        "stream" => UnixStream::connect_addr(&address).map(drop),
        "dgram" => UnixDatagram::unbound().and_then(|s| s.connect_addr(&address)),
        _ => UnixDatagram::unbound().and_then(|s| s.send_to_addr(b"x", &address)).map(drop),
    };
    done.map_err(|error| errno(&error))?;
    Ok(json!({}))
}

/// Listens on a Unix socket for the rest of the process's life.
pub(super) fn unix_listen(path: &str) -> Done {
    let listener = UnixListener::bind(path).map_err(|error| errno(&error))?;
    std::mem::forget(listener);
    Ok(json!({}))
}

/// Sends a datagram by an interface chosen with `IP_PKTINFO`, which no
/// `setsockopt` announces.
pub(super) fn udp_by(interface: &str, address: &str, port: &str) -> Done {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| errno(&error))?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    let info = libc::in_pktinfo {
        ipi_ifindex: index.cast_signed(),
        ipi_spec_dst: libc::in_addr { s_addr: 0 },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let to = SockaddrIn::from(SocketAddrV4::new(read(address)?, read(port)?));
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    let data = [IoSlice::new(b"by another way")];
    sendmsg(socket.as_raw_fd(), &data, &control, MsgFlags::empty(), Some(&to))?;
    Ok(json!({}))
}
