//! A hand on another process's socket: what it is, where it is, and how it is
//! kept from ever sending again.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::sys::socket::{Shutdown, shutdown};

use super::held::Holder;
use super::kind::Kind;
use super::netns::Netns;

/// `SIOCGSKNS` of `include/uapi/linux/sockios.h`: the namespace of a socket.
const SIOCGSKNS: libc::Ioctl = 0x894c;
/// `SO_BINDTOIFINDEX` of `include/uapi/asm-generic/socket.h`, Linux 5.0.
const SO_BINDTOIFINDEX: i32 = 62;
/// No interface ever has this number; the kernel does not ask whether it is there.
const NO_INTERFACE: i32 = i32::MAX;

/// A duplicate of somebody's descriptor.
#[derive(Debug)]
pub struct Grip(OwnedFd);

// === impl Grip ===

impl Grip {
    /// Takes hold of a socket (pidfd_getfd(2), Linux 5.6), which the process
    /// cannot notice.
    ///
    /// # Errors
    /// The process is gone, has closed it or put something else in its place,
    /// or may not be looked into.
    pub fn on(holder: Holder, inode: u32) -> io::Result<Self> {
        // SAFETY: takes two integers.
        let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, holder.pid, 0) })?;
        // SAFETY: takes three integers; the descriptor lives for the call.
        let fd = owned(unsafe {
            libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), holder.fd, 0)
        })?;
        let file = File::from(fd);
        if file.metadata()?.ino() != u64::from(inode) {
            return Err(io::Error::other("the descriptor is another socket's by now"));
        }
        Ok(Self(file.into()))
    }

    /// What it is.
    ///
    /// # Errors
    /// It is no socket.
    pub fn kind(&self) -> io::Result<Kind> {
        let option = |name| self.option(name);
        Ok(Kind {
            family: option(libc::SO_DOMAIN)?,
            kind: option(libc::SO_TYPE)?,
            protocol: option(libc::SO_PROTOCOL)?,
        })
    }

    /// The network namespace it lives in, whoever holds it.
    ///
    /// # Errors
    /// The caller lacks `CAP_NET_ADMIN` there.
    pub fn netns(&self) -> io::Result<Netns> {
        // SAFETY: the request takes no argument and gives a new descriptor.
        let fd = unsafe { libc::ioctl(self.0.as_raw_fd(), SIOCGSKNS) };
        Ok(Netns::from(File::from(owned(fd.into())?)))
    }

    /// Keeps an internet socket from ever sending again, also when its holder
    /// connects it anew: a destroyed one can be used again, and one that was
    /// made outside the enforced root no program of ours would see. Shutting
    /// down holds for UDP for ever (kernel: `sock_alloc_send_pskb`); TCP forgets
    /// it in `tcp_disconnect`, but not the interface it is bound to.
    ///
    /// # Errors
    /// The kernel refuses: it can be used again.
    pub fn silence(&self) -> io::Result<()> {
        // Not connected is no objection: the mark is set all the same.
        if let Err(errno) = shutdown(self.0.as_raw_fd(), Shutdown::Both)
            && errno != nix::errno::Errno::ENOTCONN
        {
            return Err(errno.into());
        }
        let interface = NO_INTERFACE;
        // SAFETY: the pointer is to a local of the length given.
        let rc = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_BINDTOIFINDEX,
                (&raw const interface).cast(),
                SIZE,
            )
        };
        if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn option(&self, name: i32) -> io::Result<i32> {
        let (mut value, mut len) = (0_i32, SIZE);
        // SAFETY: both pointers are to locals, the first of the length given.
        let rc = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                name,
                (&raw mut value).cast(),
                &raw mut len,
            )
        };
        if rc == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
    }
}

/// Size of an option that is an integer.
const SIZE: libc::socklen_t = 4;

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::sockets::held;

    fn grip(fd: &impl AsRawFd) -> Grip {
        let fd = fd.as_raw_fd().unsigned_abs();
        let pid = std::process::id();
        let all = held(&[pid]);
        let (&inode, _) = all
            .iter()
            .find(|(_, holders)| holders.contains(&Holder { pid, fd }))
            .expect("held by this process");
        Grip::on(Holder { pid, fd }, inode).expect("a grip on it")
    }

    #[test]
    fn a_silenced_udp_socket_sends_no_more() {
        let (socket, sink) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (socket, sink) = (socket.expect("bound"), sink.expect("bound"));
        let to = sink.local_addr().expect("an address");
        socket.send_to(b"x", to).expect("sent before");
        let grip = grip(&socket);
        assert_eq!(grip.kind().expect("a socket").to_string(), "udp");
        grip.silence().expect("silenced");
        socket.send_to(b"x", to).expect_err("no way to anywhere");
        disconnect(&socket);
        let error = socket.send_to(b"x", to).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_silenced_tcp_socket_cannot_be_connected_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let to = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(to).expect("connected");
        let grip = grip(&stream);
        assert_eq!(grip.kind().expect("a socket").to_string(), "tcp");
        grip.silence().expect("silenced");
        disconnect(&stream);
        let std::net::SocketAddr::V4(to) = to else { panic!("IPv4") };
        let to = nix::sys::socket::SockaddrIn::from(to);
        let refused = nix::sys::socket::connect(stream.as_raw_fd(), &to);
        assert_eq!(refused, Err(nix::errno::Errno::ENODEV));
    }

    /// `connect` to no address makes a socket as good as new.
    fn disconnect(socket: &impl AsRawFd) {
        let nowhere = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
        // SAFETY: the address is a local of the length given.
        let rc = unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, 16) };
        assert_eq!(rc, 0, "{}", io::Error::last_os_error());
    }
}
