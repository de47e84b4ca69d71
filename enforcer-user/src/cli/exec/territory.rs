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
fn doors(mounts: &str) -> Vec<PathBuf> {
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
fn devices() -> Vec<PathBuf> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Folders and a link in a temporary folder; what is open in it, by name.
    fn open_in(root: &Path, forbidden: &[&str]) -> Vec<String> {
        let forbidden: Vec<_> = forbidden.iter().map(|name| root.join(name)).collect();
        let territory = Territory::around(root, &forbidden);
        let name = |path: &PathBuf| {
            let below = path.strip_prefix(root).expect("below the root");
            below.to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = territory.open.iter().map(name).collect();
        names.sort();
        names
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["etc/enforcer", "home/bot", "run/enforcer/agents", "run/user", "srv"] {
            fs::create_dir_all(root.path().join(folder)).expect("made");
        }
        fs::write(root.path().join("run/pid"), "").expect("written");
        symlink(root.path().join("etc"), root.path().join("srv-link")).expect("a link");
        root
    }

    #[test]
    fn everything_is_open_where_nothing_is_forbidden() {
        assert_eq!(open_in(tree().path(), &[]), [""]);
    }

    #[test]
    fn what_is_forbidden_and_the_folders_above_it_are_not_open() {
        let open = open_in(tree().path(), &["etc", "run/enforcer"]);
        assert_eq!(open, ["home", "run/pid", "run/user", "srv"]);
    }

    #[test]
    fn a_link_opens_nothing() {
        let open = open_in(tree().path(), &["etc"]);
        assert!(!open.iter().any(|name| name == "srv-link"), "{open:?}");
    }

    #[test]
    fn what_does_not_exist_yet_cannot_be_made() {
        let open = open_in(tree().path(), &["srv/state/new"]);
        assert_eq!(open, ["etc", "home", "run"], "srv is closed, so nobody can make `state` in it");
    }

    #[test]
    fn a_shared_folder_that_is_closed_is_named() {
        let root = tree();
        let shared = root.path().join("srv");
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).expect("shared");
        let territory = Territory::around(root.path(), &[shared.join("state")]);
        assert_eq!(territory.closed, [shared]);
    }

    #[test]
    fn doors_to_the_kernel_are_found_wherever_they_are_mounted() {
        let mounts = "\
25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw
31 25 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate
40 30 0:35 / /tmp/a\\040b rw - bpf bpf rw
41 30 0:36 / /home rw shared:1 master:2 - ext4 /dev/vda1 rw\n";
        let want = ["/sys", "/sys/fs/cgroup", "/tmp/a b"].map(PathBuf::from);
        assert_eq!(doors(mounts), want);
    }

    #[test]
    fn links_in_settings_are_resolved() {
        let root = tree();
        let settings =
            Settings { state_dir: root.path().join("srv-link/new"), ..Settings::default() };
        let all = forbidden(&settings, &root.path().join("enforcer.toml"), "");
        let root = fs::canonicalize(root.path()).expect("there");
        assert!(all.contains(&root.join("etc/new")), "{all:?}");
        assert!(all.contains(&root.join("enforcer.toml")) && all.contains(&root.join("conf.d")));
    }

    #[test]
    fn harmless_devices_stay_open_and_others_do_not() {
        let closed = devices();
        assert!(!closed.contains(&"/dev/null".into()) && !closed.contains(&"/dev/pts".into()));
        for tunnel in ["/dev/net", "/dev/kvm", "/dev/mem"].map(PathBuf::from) {
            assert_eq!(closed.contains(&tunnel), tunnel.exists(), "{}", tunnel.display());
        }
    }
}
