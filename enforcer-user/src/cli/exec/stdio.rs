//! Descriptors 0–2 are the only ones CMD inherits, so they must not be a way
//! out themselves: a socket keeps the cgroup it was made in.

use std::os::fd::BorrowedFd;

use nix::sys::stat::{SFlag, fstat, major, minor};

use crate::cli::failure::{Code, Failure};

const NAMES: [&str; 3] = ["standard input", "standard output", "standard error"];
/// `/dev/net/tun` (kernel: `Documentation/admin-guide/devices.txt`): packets
/// written to it never meet a socket hook.
const TUN: (u64, u64) = (10, 200);

/// Refuses what CMD must not inherit.
///
/// # Errors
/// [`Code::Usage`], naming the descriptor and what it is.
pub(super) fn check(allow_sockets: bool) -> Result<(), Failure> {
    for (fd, name) in (0..).zip(NAMES) {
        // SAFETY: descriptors 0–2 stay open for the life of this process (the
        // standard library opens /dev/null for a closed one at start).
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        check_one(fd, name, allow_sockets)?;
    }
    Ok(())
}

fn check_one(fd: BorrowedFd<'_>, name: &str, allow_sockets: bool) -> Result<(), Failure> {
    let stat = fstat(fd).map_err(|error| Failure::failed(format!("look at {name}: {error}")))?;
    let refused = |what| Err(Failure::new(Code::Usage, format!("{name} is {what}")));
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFCHR if (major(stat.st_rdev), minor(stat.st_rdev)) == TUN => {
            refused("a network device").map_err(|f| f.hint("give CMD a file, a pipe or a terminal"))
        }
        SFlag::S_IFREG | SFlag::S_IFIFO | SFlag::S_IFCHR => Ok(()),
        SFlag::S_IFSOCK if allow_sockets => Ok(()),
        SFlag::S_IFSOCK => refused("a socket, which enforcement would not cover").map_err(|f| {
            f.hint("put a pipe between (`… | cat`), or accept it with --allow-stdio-sockets")
        }),
        _ => refused("neither a file nor a pipe nor a terminal")
            .map_err(|f| f.hint("give CMD a file, a pipe or a terminal")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_refused_unless_asked_for() {
        let (socket, _peer) = UnixStream::pair().expect("a pair");
        let refused = check_one(socket.as_fd(), "standard input", false);
        assert!(matches!(refused, Err(Failure::Error { code: Code::Usage, hint: Some(_), .. })));
        assert_eq!(check_one(socket.as_fd(), "standard input", true), Ok(()));
    }

    #[test]
    fn files_pipes_and_devices_pass() {
        let (pipe, _writer) = std::io::pipe().expect("a pipe");
        let null = File::open("/dev/null").expect("null");
        let file = tempfile::tempfile().expect("a file");
        for fd in [pipe.as_fd(), null.as_fd(), file.as_fd()] {
            assert_eq!(check_one(fd, "standard input", false), Ok(()));
        }
    }

    #[test]
    fn an_anonymous_inode_is_refused() {
        // SAFETY: makes a descriptor that nobody else owns.
        let event = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, 0)) };
        assert!(check_one(event.as_fd(), "standard input", true).is_err());
    }
}
