//! Unix sockets: their names and who is at the other end.

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::unix::nlas::UnixDiagName;
use netlink_packet_sock_diag::unix::{ShowFlags, StateFlags, UnixRequest, UnixResponse};

use super::diag::Diag;
use super::error::SocketsError;

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Inode number, as in `/proc/PID/fd`.
    pub inode: u32,
    /// What it is bound to; abstract names begin with `@`.
    pub name: Option<String>,
    /// Inode number of the socket it is connected to.
    pub peer: Option<u32>,
}

// === impl UnixSocket, Diag ===

impl UnixSocket {
    fn of(response: &UnixResponse) -> Self {
        let name = response.name().map(|name| match name {
            UnixDiagName::Pathname(path) => path.to_string_lossy().into_owned(),
            UnixDiagName::Abstract(name) => format!("@{}", String::from_utf8_lossy(name)),
        });
        let peer = response.peer().filter(|&inode| inode != 0);
        Self { inode: response.header.inode, name, peer }
    }
}

impl Diag {
    /// Every Unix socket of the network namespace.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn unix(&mut self) -> Result<Vec<UnixSocket>, SocketsError> {
        let request = UnixRequest {
            state_flags: StateFlags::from_bits_retain(u32::MAX),
            inode: 0,
            show_flags: ShowFlags::NAME | ShowFlags::PEER,
            cookie: [0xff; 8],
        };
        let mut found = Vec::new();
        self.ask(SockDiagMessage::UnixRequest(request), NLM_F_DUMP, |answer| {
            if let SockDiagMessage::UnixResponse(response) = answer {
                found.push(UnixSocket::of(&response));
            }
        })
        .map_err(SocketsError::of("list Unix sockets"))?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn inode(socket: &impl AsRawFd) -> u32 {
        let meta = std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd()));
        u32::try_from(meta.expect("there").ino()).expect("fits")
    }

    #[test]
    fn a_pair_and_a_listener_are_told_apart() {
        let folder = tempfile::tempdir().expect("made");
        let path = folder.path().join("listener");
        let (a, b) = UnixStream::pair().expect("a pair");
        let listener = UnixListener::bind(&path).expect("bound");
        let all = Diag::open().and_then(|mut diag| diag.unix()).expect("listed");
        let of = |inode| all.iter().find(|s| s.inode == inode).cloned().expect("in the list");
        let pair = UnixSocket { inode: inode(&a), name: None, peer: Some(inode(&b)) };
        assert_eq!(of(inode(&a)), pair);
        let name = Some(path.display().to_string());
        assert_eq!(of(inode(&listener)), UnixSocket { inode: inode(&listener), name, peer: None });
    }
}
