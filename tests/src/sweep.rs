//! Removes what labs of dead processes have left: cgroups, mounts, folders.
//! Network namespaces have no names and leave nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use nix::mount::{MntFlags, umount2};

use crate::cgroup;

/// Start of every lab's name; the maker's pid follows.
pub const PREFIX: &str = "enforcer-lab-";

/// Sweeps once per process.
pub fn leftovers() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        mounts().iter().filter(|path| is_orphan_path(path)).for_each(|path| unmount(path));
        orphans(&cgroup::mount_point()).iter().for_each(|path| cgroup::remove(path));
        for folder in orphans(&std::env::temp_dir()) {
            let _gone = fs::remove_dir_all(folder);
        }
    });
}

/// Unmounts, lazily: pins go when the last user does.
pub fn unmount(path: &Path) {
    let _gone = umount2(path, MntFlags::MNT_DETACH);
}

fn mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/mounts").expect("read /proc/mounts");
    table.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from).collect()
}

fn is_orphan_path(path: &Path) -> bool {
    path.iter().any(|part| part.to_str().is_some_and(is_orphan))
}

fn orphans(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_orphan))
        .map(|entry| entry.path())
        .collect()
}

/// Whether this is the name of a lab whose maker no longer runs.
fn is_orphan(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let pid = rest.split('-').next().unwrap_or_default();
    pid.parse::<u32>().is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_dead_makers_are_orphans() {
        assert!(!is_orphan(&format!("{PREFIX}{}-0", std::process::id())));
        assert!(is_orphan(&format!("{PREFIX}4294967295-0")));
        assert!(!is_orphan("agents.slice"));
        assert!(!is_orphan(PREFIX));
    }
}
