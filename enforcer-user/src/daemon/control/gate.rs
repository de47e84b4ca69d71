//! Who may use the control socket: root, but no agent, not even one that runs
//! as root.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

/// The door rule of one control socket.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The only user let in.
    pub uid: u32,
    /// The enforced root, as `/proc/PID/cgroup` shows it: from the cgroup2
    /// mount on, with a leading slash.
    pub root: PathBuf,
}

// === impl Gate ===

impl Gate {
    /// Why this client is not let in; `None` lets it in.
    pub(super) fn refusal(&self, stream: &UnixStream) -> Option<&'static str> {
        let Ok(peer) = stream.peer_cred() else { return Some("the kernel does not say who asks") };
        if peer.uid() != self.uid {
            return Some("only root may use the control socket");
        }
        let cgroup =
            peer.pid().and_then(|pid| cgroup_of(Path::new(&format!("/proc/{pid}/cgroup"))));
        match cgroup {
            None => Some("the kernel does not say from which cgroup you ask"),
            Some(cgroup) if cgroup.starts_with(&self.root) => {
                Some("agents may not use the control socket")
            }
            Some(_) => None,
        }
    }
}

/// The cgroup2 line of a process: `0::/path` (cgroups(7)).
fn cgroup_of(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(PathBuf::from)
}
