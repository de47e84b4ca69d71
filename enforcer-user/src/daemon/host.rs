//! What the daemon asks of its host before it starts: root, nobody else, and
//! no more rights afterwards than it needs.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Kept for good: each call on a map still wants `CAP_BPF`.
const KEPT: [Capability; 4] = [
    Capability::CAP_BPF,
    // Cgroups that were delegated to another user.
    Capability::CAP_DAC_OVERRIDE,
    // Policies and secrets that belong to another user.
    Capability::CAP_DAC_READ_SEARCH,
    // `/proc/PID/exe` of agents.
    Capability::CAP_SYS_PTRACE,
];

/// The lock of the state folder; held as long as it lives.
pub(super) type Lock = Flock<File>;

/// Files are private, memory is not dumped, and memory pressure takes others
/// first. What the host does not grant of this is not worth stopping for.
pub(super) fn harden() {
    umask(Mode::from_bits_truncate(0o077));
    let note = |what: &str, error: &dyn std::fmt::Display| tracing::warn!("{what}: {error}");
    if let Err(error) = fs::write("/proc/self/oom_score_adj", "-1000") {
        note("ask to be spared when memory runs out", &error);
    }
    if let Err(error) = prctl::set_dumpable(false) {
        note("forbid core dumps", &error);
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        note("forbid core dumps", &error);
    }
}

/// Gives up every capability that is not needed once the programs are loaded,
/// for this thread and what it starts: to be called before there are others.
///
/// # Errors
/// The kernel refuses; nothing is lost by going on with more.
pub(super) fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|cap| held.contains(cap)).collect();
    // Root's children get everything in the bounding set back.
    for lost in caps::all().difference(&kept) {
        caps::drop(None, CapSet::Bounding, *lost)?;
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// Makes the state folder (0700) and takes its lock.
///
/// # Errors
/// The folder cannot be made, or another daemon has it.
pub(super) fn lock(state_dir: &Path) -> Result<Lock, String> {
    let failed = |e: std::io::Error| format!("state folder {}: {e}", state_dir.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
    let path = state_dir.join("daemon.lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock)
        .map_err(|_| format!("{}: another daemon runs on this state folder", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_on_the_same_state_is_refused() {
        let dir = tempfile::tempdir().expect("made");
        let state = dir.path().join("deep/state");
        let first = lock(&state).expect("free");
        let second = lock(&state).expect_err("taken");
        assert!(second.contains("another daemon runs"), "{second}");
        drop(first);
        lock(&state).expect("free again");
    }
}
