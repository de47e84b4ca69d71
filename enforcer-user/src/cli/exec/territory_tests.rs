//! What is open and what is not, in a temporary folder and on this host.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::territory::{Territory, devices, doors, forbidden};
use crate::config::Settings;

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
    let settings = Settings { state_dir: root.path().join("srv-link/new"), ..Settings::default() };
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
