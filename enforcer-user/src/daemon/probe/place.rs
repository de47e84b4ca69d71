//! Going into a cgroup and coming back.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::agents::CANARY_CGROUP;
use crate::kernel::cgroup2_mount;

/// A cgroup the process is in for a while.
#[derive(Debug)]
pub(super) struct Place {
    /// A child made only because the cgroup itself takes no processes.
    leaf: Option<PathBuf>,
}

/// The cgroup this process is in.
///
/// # Errors
/// The hierarchy is not mounted or `/proc` is unreadable.
pub(super) fn home() -> io::Result<PathBuf> {
    let mount = cgroup2_mount().map_err(io::Error::other)?;
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"));
    path.map(|path| mount.join(path)).ok_or_else(|| io::Error::other("no cgroup v2 membership"))
}

/// Whether the cgroup is frozen: whoever enters stops.
pub(super) fn is_frozen(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
}

/// Moves this process into `cgroup`, or into a leaf of it where controllers
/// keep the cgroup itself from having processes (cgroup v2, "no internal
/// processes").
///
/// # Errors
/// The kernel refuses.
pub(super) fn enter(cgroup: &Path) -> io::Result<Place> {
    match join(cgroup) {
        Ok(()) => Ok(Place { leaf: None }),
        Err(e) if is_no_leaf(&e) => {
            let leaf = cgroup.join(CANARY_CGROUP);
            make(&leaf)?;
            join(&leaf).inspect_err(|_| remove(&leaf))?;
            Ok(Place { leaf: Some(leaf) })
        }
        Err(e) => Err(e),
    }
}

/// Makes a cgroup; one left over is used again.
pub(in crate::daemon) fn make(cgroup: &Path) -> io::Result<()> {
    match fs::create_dir(cgroup) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_no_leaf(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EOPNOTSUPP))
}

fn join(cgroup: &Path) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0")
}

fn remove(cgroup: &Path) {
    if let Err(error) = fs::remove_dir(cgroup) {
        eprintln!("remove cgroup {}: {error}", cgroup.display());
    }
}

// === impl Place ===

impl Place {
    /// Moves this process back home.
    ///
    /// # Errors
    /// The kernel refuses; the process must end rather than stay.
    pub(super) fn leave(self, home: &Path) -> io::Result<()> {
        join(home)?;
        if let Some(leaf) = &self.leaf {
            remove(leaf);
        }
        Ok(())
    }
}
