//! What the daemon asks of its host before it starts: root, nobody else, and
//! no more rights afterwards than it needs.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::config::Settings;
use caps::{CapSet, Capability, CapsHashSet};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Kept, but in reserve: only the threads that look after sockets in network
/// namespaces raise them, and no child gets them.
const RESERVED: [Capability; 3] =
    [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW, Capability::CAP_SYS_ADMIN];

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

/// The lock of a folder; held as long as it lives.
pub(super) type Lock = Flock<File>;

/// Memory is not dumped, and memory pressure takes others first. Cgroups stay
/// readable for those in them; what is private says so where it is made.
/// What the host does not grant of this is not worth stopping for.
pub(super) fn harden() {
    umask(Mode::from_bits_truncate(0o022));
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
    let reserved = RESERVED.into_iter().filter(|cap| held.contains(cap));
    caps::set(None, CapSet::Permitted, &kept.into_iter().chain(reserved).collect())
}

/// Makes the folder of the state (0700) and locks it: two daemons must not
/// share it.
///
/// # Errors
/// The folder cannot be made, or another daemon has it.
pub(super) fn lock_state(settings: &Settings) -> Result<Lock, String> {
    lock(&settings.state_dir, true)
}

/// Locks the folder of the pins; `None` while there is none, and so nobody to
/// share it with.
///
/// # Errors
/// Another daemon has it.
pub(super) fn lock_pins(settings: &Settings) -> Result<Option<Lock>, String> {
    settings.bpf_dir.exists().then(|| lock(&settings.bpf_dir, false)).transpose()
}

fn lock(folder: &Path, make: bool) -> Result<Lock, String> {
    let failed = |e: std::io::Error| format!("folder {}: {e}", folder.display());
    if make {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    // A folder can be locked as it is: no lock file is left behind.
    Flock::lock(File::open(folder).map_err(failed)?, FlockArg::LockExclusiveNonblock)
        .map_err(|_| format!("folder {}: another daemon uses it", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_on_the_same_state_is_refused() {
        let dir = tempfile::tempdir().expect("made");
        let state = dir.path().join("deep/state");
        let first = lock(&state, true).expect("free");
        let second = lock(&state, true).expect_err("taken");
        assert!(second.contains("another daemon uses it"), "{second}");
        drop(first);
        lock(&state, true).expect("free again");
    }
}
