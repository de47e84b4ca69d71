//! Network namespaces: the daemon's own, and those that agents' processes are in.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use caps::{CapSet, Capability};
use nix::sched::{CloneFlags, setns};

use super::diag::Diag;
use super::error::SocketsError;

/// Needed here and nowhere else in a running daemon, so its other threads keep
/// them in reserve: to enter namespaces, to destroy sockets, and to bind one
/// that is bound elsewhere already.
const RAISED: [Capability; 3] =
    [Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];

/// A network namespace, held open.
#[derive(Debug)]
pub struct Netns {
    /// `None`: the daemon's own.
    file: Option<File>,
}

// === impl Netns ===

impl Netns {
    /// The calling process's own.
    pub const OWN: Self = Self { file: None };

    /// Each namespace that one of these threads is in, and the daemon's own,
    /// once. A thread that has ended in the meantime is in none.
    pub fn of_threads(threads: &[u32]) -> Vec<Self> {
        let mut seen: HashSet<_> = open("self").as_ref().and_then(identity).into_iter().collect();
        let mut found = vec![Self::OWN];
        for thread in threads {
            let Some(file) = open(&thread.to_string()) else { continue };
            if identity(&file).is_some_and(|id| seen.insert(id)) {
                found.push(Self { file: Some(file) });
            }
        }
        found
    }

    /// Runs `work` inside, on a thread of its own that is never used again: it
    /// could not come back.
    ///
    /// # Errors
    /// The namespace cannot be entered, or `work` failed.
    pub fn visit<T: Send>(
        &self,
        work: impl FnOnce(&mut Diag) -> Result<T, SocketsError> + Send,
    ) -> Result<T, SocketsError> {
        raised(|| {
            if let Some(file) = &self.file {
                setns(file, CloneFlags::CLONE_NEWNET)
                    .map_err(|e| SocketsError::of("enter a network namespace")(e.into()))?;
            }
            work(&mut Diag::open()?)
        })
    }

    /// What tells it from others; `None` where it is the daemon's own or cannot
    /// be asked.
    pub fn id(&self) -> Option<(u64, u64)> {
        let own = open("self").as_ref().and_then(identity);
        self.file.as_ref().and_then(identity).filter(|id| own != Some(*id))
    }
}

impl From<File> for Netns {
    /// The namespace behind an open descriptor of one.
    fn from(file: File) -> Self {
        Self { file: Some(file) }
    }
}

/// Runs `work` with the capabilities that touching others' sockets needs, on a
/// thread of its own that is never used again.
pub fn raised<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            raise();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Where the capabilities are not there to be raised, the next call says so.
fn raise() {
    for capability in RAISED {
        if let Err(error) = caps::raise(None, CapSet::Effective, capability) {
            tracing::debug!("raise {capability}: {error}");
        }
    }
}

fn open(thread: &str) -> Option<File> {
    File::open(format!("/proc/{thread}/ns/net")).ok()
}

fn identity(file: &File) -> Option<(u64, u64)> {
    file.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}
