//! Which sockets processes hold, by their descriptors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A process and a descriptor of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Number of the descriptor.
    pub fd: u32,
}

/// The sockets that these processes hold, by inode, each with all its holders.
/// A thread may have descriptors of its own: every thread is looked at.
pub fn held(pids: &[u32]) -> BTreeMap<u32, Vec<Holder>> {
    let mut found = BTreeMap::<u32, Vec<Holder>>::new();
    for &pid in pids {
        let threads = numbers(format!("/proc/{pid}/task"));
        for (fd, inode) in threads.iter().flat_map(|thread| of_thread(*thread)) {
            let holders = found.entry(inode).or_default();
            let holder = Holder { pid, fd };
            if !holders.contains(&holder) {
                holders.push(holder);
            }
        }
    }
    found
}

/// The threads of these processes.
pub fn threads_of(pids: &[u32]) -> Vec<u32> {
    pids.iter().flat_map(|pid| numbers(format!("/proc/{pid}/task"))).collect()
}

/// Every process of the host that holds one of these sockets, the first found.
pub fn holders_of(inodes: &[u32]) -> BTreeMap<u32, u32> {
    let mut found = BTreeMap::new();
    for pid in numbers("/proc") {
        for (_, inode) in of_thread(pid).filter(|(_, inode)| inodes.contains(inode)) {
            found.entry(inode).or_insert(pid);
        }
    }
    found
}

/// Descriptors that are sockets, with their inodes.
fn of_thread(thread: u32) -> impl Iterator<Item = (u32, u32)> {
    let folder = format!("/proc/{thread}/fd");
    numbers(&folder).into_iter().filter_map(move |fd| {
        let target = fs::read_link(format!("{folder}/{fd}")).ok()?;
        Some((fd, inode(target.to_str()?)?))
    })
}

/// The inode in `socket:[12345]` (proc_pid_fd(5)).
fn inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Entries of a folder whose names are numbers; none where it is gone.
fn numbers(folder: impl AsRef<Path>) -> Vec<u32> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found_with_each_of_its_descriptors() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let again = socket.try_clone().expect("cloned");
        let inode_of = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd()));
        let inode = u32::try_from(inode_of.expect("there").ino()).expect("fits");
        let found = held(&[std::process::id()]);
        let fds: Vec<u32> = found[&inode].iter().map(|holder| holder.fd).collect();
        for fd in [&socket, &again].map(|s| s.as_raw_fd().unsigned_abs()) {
            assert!(fds.contains(&fd), "{fd} in {fds:?}");
        }
        assert_eq!(holders_of(&[inode]), [(inode, std::process::id())].into());
    }

    #[test]
    fn only_sockets_are_sockets() {
        assert_eq!(inode("socket:[4711]"), Some(4711));
        assert_eq!((inode("pipe:[4711]"), inode("socket:[x]")), (None, None));
    }
}
