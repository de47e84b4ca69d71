//! Where the file systems are. Never assumed, always looked up.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::KernelError;
use super::sys;

/// Where bpffs belongs (kernel: `Documentation/bpf/`).
const BPFFS: &str = "/sys/fs/bpf";

/// The cgroup2 mount of this host: `/sys/fs/cgroup` on unified hosts,
/// somewhere below it on hybrid ones.
///
/// # Errors
/// `/proc/mounts` cannot be read, or names no cgroup2 file system.
pub fn cgroup2_mount() -> Result<PathBuf, KernelError> {
    let table = Path::new("/proc/mounts");
    let mounts = fs::read_to_string(table).map_err(KernelError::io("read", table))?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            let path = words.next()?;
            (words.next()? == "cgroup2").then(|| PathBuf::from(path))
        })
        .next()
        .ok_or(KernelError::NoCgroup2)
}

/// Makes the folder for pins, mounting bpffs in its usual place if needed.
pub(crate) fn prepare_bpf_dir(dir: &Path) -> Result<(), KernelError> {
    let usual = Path::new(BPFFS);
    if dir.starts_with(usual) && usual.is_dir() && !sys::is_bpffs(usual) {
        nix::mount::mount(
            Some("bpf"),
            usual,
            Some("bpf"),
            nix::mount::MsFlags::empty(),
            None::<&str>,
        )
        .map_err(|errno| KernelError::io("mount bpffs on", usual)(errno.into()))?;
    }
    for folder in ["", "maps", "links", "links-kept"] {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(KernelError::io("create", &folder))?;
    }
    if sys::is_bpffs(dir) { Ok(()) } else { Err(KernelError::NotBpffs { path: dir.to_owned() }) }
}
