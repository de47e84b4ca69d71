//! A view of the files in which root cannot change what no agent may change.
//! Landlock knows no right for modes, owners and attributes of files, and none for
//! locks: a mount that is read-only allows none of the former, and what is not
//! there cannot be locked.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Not sealed: processes write to their own files there, whose modes are the
/// kernel's.
const PROC: &str = "/proc";

/// What the launcher makes read-only for itself and for CMD: its child is an agent
/// already, and where the security hooks hold no agent mounts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seal {
    /// Paths, none below another.
    pub(super) places: Vec<CString>,
    /// Folders that are empty to CMD: what the daemon locks.
    pub(super) hidden: Vec<CString>,
    /// The agent's own folder, which stays writable.
    pub(super) own: Option<CString>,
    /// The working folder, which is entered anew: the old one is below the old
    /// mount.
    pub(super) folder: Option<CString>,
}

// === impl Seal ===

impl Seal {
    /// Over those of `forbidden` that are there. Devices are not among them:
    /// the cgroup's program judges who opens one, whatever its mode.
    pub(super) fn over(forbidden: &[PathBuf], hidden: [&Path; 2], own: Option<&Path>) -> Self {
        let mut paths: Vec<&PathBuf> = forbidden.iter().filter(|path| is_sealed(path)).collect();
        paths.sort();
        paths.dedup_by(|below, above| below.starts_with(above.as_path()));
        let places = paths.into_iter().filter_map(|path| text(path)).collect();
        Self {
            places,
            hidden: hidden.into_iter().filter(|path| path.is_dir()).filter_map(text).collect(),
            own: own.and_then(text),
            folder: std::env::current_dir().ok().as_deref().and_then(text),
        }
    }
}

fn is_sealed(path: &Path) -> bool {
    path.exists() && ![PROC, "/dev"].iter().any(|left| path.starts_with(left))
}

/// No path has a zero byte in it.
fn text(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_another_is_sealed_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (above, below) = (folder.path().join("a"), folder.path().join("a/b"));
        std::fs::create_dir_all(&below).expect("made");
        let gone = folder.path().join("gone");
        let forbidden = [below, above.clone(), gone, "/proc/sys".into(), "/dev/null".into()];
        let hidden = [above.as_path(), Path::new("/nowhere")];
        let (seal, above) = (Seal::over(&forbidden, hidden, None), [text(&above).expect("a path")]);
        assert_eq!((&seal.places[..], &seal.hidden[..]), (&above[..], &above[..]));
    }
}
