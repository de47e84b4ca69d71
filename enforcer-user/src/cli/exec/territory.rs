//! Which files CMD may change: all but those that would undo the enforcement
//! or that processes outside obey.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Settings;

/// Programs, their settings and queues that processes outside run or obey.
const SYSTEM: [&str; 16] = [
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run/systemd",
    "/run/udev",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/spool",
];

/// File systems that are doors to the kernel, wherever they are mounted.
const DOORS: [&str; 14] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "efivarfs",
    "nfsd",
    "proc",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// What programs need of `/dev`; `nvidia…` too. Not disks, tunnels, virtual
/// machines.
const DEVICES: [&str; 15] = [
    "accel",
    "dri",
    "full",
    "hugepages",
    "kfd",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "tty",
    "udmabuf",
    "urandom",
    "zero",
];

/// Paths that may be changed, and what they leave out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Territory {
    /// Each with everything below it; none is a link.
    pub(super) open: Vec<PathBuf>,
    /// Folders where anyone else may make files, closed for the sake of what
    /// lies below them.
    pub(super) closed: Vec<PathBuf>,
}

// === impl Territory ===

impl Territory {
    /// Everything below `root` but `forbidden`. Landlock allows by hierarchy
    /// and cannot except, so a folder with something forbidden below it is not
    /// opened itself, only what is in it now.
    pub(super) fn around(root: &Path, forbidden: &[PathBuf]) -> Self {
        let mut territory = Self::default();
        territory.add(root, forbidden);
        territory
    }

    fn add(&mut self, path: &Path, forbidden: &[PathBuf]) {
        if forbidden.iter().any(|closed| path.starts_with(closed)) {
            return;
        }
        if !forbidden.iter().any(|closed| closed.starts_with(path)) {
            self.open.push(path.to_owned());
            return;
        }
        let shared = |meta: fs::Metadata| meta.permissions().mode() & 0o002 != 0;
        if fs::metadata(path).is_ok_and(shared) {
            self.closed.push(path.to_owned());
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            // What a link leads to has its own path.
            if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                self.add(&entry.path(), forbidden);
            }
        }
    }
}

/// What no agent may change, whoever it is. Links are resolved.
pub(super) fn forbidden(settings: &Settings, config: &Path, mounts: &str) -> Vec<PathBuf> {
    let folder = config.parent().unwrap_or(Path::new("/"));
    let own = [
        settings.policies.clone(),
        settings.credentials.clone(),
        settings.state_dir.clone(),
        settings.bpf_dir.clone(),
        settings.control_socket.clone(),
        settings.agent_dirs(),
        config.to_owned(),
        folder.join("conf.d"),
    ];
    let system = SYSTEM.map(PathBuf::from).into_iter();
    let all = system.chain(own).chain(doors(mounts)).chain(devices());
    all.map(|path| resolved(&path)).collect()
}

/// Mount points of [`DOORS`] (`proc_pid_mountinfo(5)`: the mount point is the
/// fifth field, the type the first one after the lone dash).
pub(super) fn doors(mounts: &str) -> Vec<PathBuf> {
    let door = |line: &str| {
        let (place, file_system) = line.split_once(" - ")?;
        let kind = file_system.split(' ').next()?;
        DOORS.contains(&kind).then(|| place.split(' ').nth(4).map(unescaped))?
    };
    mounts.lines().filter_map(door).collect()
}

/// Blanks, tabs, newlines and backslashes are written in octal.
fn unescaped(word: &str) -> PathBuf {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(word.to_owned(), |text, (code, byte)| text.replace(code, byte)).into()
}

/// Everything in `/dev` that is not known to be harmless. Links lead to files
/// with paths of their own, `/dev/stdin` to whatever is there.
pub(super) fn devices() -> Vec<PathBuf> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let harmful = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let known = DEVICES.contains(&name.as_ref()) || name.starts_with("nvidia");
        let kind = entry.file_type();
        kind.is_ok_and(|kind| !kind.is_symlink() && (kind.is_block_device() || !known))
    };
    entries.filter(harmful).map(|entry| entry.path()).collect()
}

/// Without links; what does not exist keeps its name below what does.
fn resolved(path: &Path) -> PathBuf {
    match (fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(found), ..) => found,
        (Err(_), Some(parent), Some(name)) => resolved(parent).join(name),
        (Err(_), ..) => path.to_owned(),
    }
}
