//! What tests can leave on a host: processes, cgroups, mounts, pins, named
//! network namespaces and folders. Two looks and their difference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::test::binaries::Built;

/// Everything that the tests and the demo make starts with this.
const PREFIX: &str = "enforcer-";

/// One look at the host.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(BTreeSet<String>);

impl Leftovers {
    pub(crate) fn look(built: &Built) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts").context("read /proc/mounts")?;
        let mut found = BTreeSet::new();
        found.extend(processes(built));
        found.extend(named("network namespace", Path::new("/run/netns")));
        found.extend(named("folder", &std::env::temp_dir()));
        for (kind, point) in mounts.lines().filter_map(mount) {
            match kind {
                "cgroup2" => found.extend(named("cgroup", point)),
                "bpf" => found.extend(named("pins", point)),
                _ => {}
            }
            if point.iter().any(|part| is_left(&part.to_string_lossy())) {
                found.insert(format!("mount {}", point.display()));
            }
        }
        Ok(Self(found))
    }

    /// What was not there `before`.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

/// File system type and mount point of a line of `/proc/mounts`.
fn mount(line: &str) -> Option<(&str, &Path)> {
    let mut fields = line.split(' ').skip(1);
    let point = Path::new(fields.next()?);
    Some((fields.next()?, point))
}

/// A lab's name goes on with its maker's pid: while that one lives, somebody
/// else's tests are running on this host.
fn is_left(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let pid = rest.strip_prefix("lab-").and_then(|lab| lab.split('-').next());
    let is_number = |pid: &&str| pid.parse::<u32>().is_ok();
    pid.filter(is_number).is_none_or(|pid| !Path::new("/proc").join(pid).exists())
}

fn named<'a>(kind: &'a str, dir: &Path) -> impl Iterator<Item = String> + 'a {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| is_left(&entry.file_name().to_string_lossy()));
    ours.map(move |entry| format!("{kind} {}", entry.path().display()))
}

/// Running programs of this workspace, xtask itself apart.
fn processes(built: &Built) -> Vec<String> {
    let programs: Vec<&PathBuf> =
        built.programs.iter().chain(built.tests.iter().map(|test| &test.path)).collect();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let running = entries.filter_map(|entry| {
        Some((entry.file_name(), fs::read_link(entry.path().join("exe")).ok()?))
    });
    running
        .filter(|(_, exe)| programs.contains(&exe) && !exe.ends_with("xtask"))
        .map(|(pid, exe)| format!("process {} {}", pid.display(), exe.display()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_is_nobodys_leftover() {
        let before = Leftovers(BTreeSet::from(["cgroup a".to_owned()]));
        let after =
            Leftovers(BTreeSet::from(["cgroup a".to_owned(), "process 7 enforcer".to_owned()]));
        assert_eq!(after.since(&before), ["process 7 enforcer"]);
    }

    #[test]
    fn a_living_processs_lab_is_not_left_behind() {
        assert!(!is_left(&format!("enforcer-lab-{}-0", std::process::id())));
        assert!(is_left("enforcer-lab-4294967295-0"));
        assert!(is_left("enforcer-demo.slice"));
        assert!(!is_left("agents.slice"));
    }

    #[test]
    fn a_mount_line_gives_its_type_and_place() {
        let line = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0";
        assert_eq!(mount(line), Some(("cgroup2", Path::new("/sys/fs/cgroup/unified"))));
    }
}
