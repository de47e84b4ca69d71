//! The hierarchy that agents are told apart by.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::cli::doctor::Check;
use crate::kernel;

const OWN: &str = "/proc/self/cgroup";

pub(super) fn checks() -> impl Iterator<Item = Check> {
    let table = fs::read_to_string(OWN).unwrap_or_default();
    [cgroup2()].into_iter().chain(beside(&table))
}

fn cgroup2() -> Check {
    let name = "cgroup v2";
    match kernel::cgroup2_mount() {
        Ok(mount) if is_read_only(&mount) => {
            Check::missing(name, format!("mounted read-only at {}", mount.display()))
                .cost("no enforced root can be made, and no agent be put into it")
                .remedy("run on the host and not in a container, or mount it writable")
        }
        Ok(mount) => Check::ok(name, format!("mounted at {}", mount.display())),
        Err(error) => Check::missing(name, error.to_string())
            .cost("agents cannot be told from each other")
            .remedy(
                "start the host with `systemd.unified_cgroup_hierarchy=1`; or, beside version 1: \
                 mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
            ),
    }
}

fn is_read_only(mount: &Path) -> bool {
    statvfs(mount).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_RDONLY))
}

/// What holds controllers of version 1, from lines of cgroups(7): `ID:CONTROLLERS:PATH`.
/// The line of version 2 begins with `0::`.
fn beside(table: &str) -> Option<Check> {
    let controllers: Vec<_> = table
        .lines()
        .filter_map(|line| line.split(':').nth(1))
        .filter(|controllers| !controllers.is_empty())
        .collect();
    if controllers.is_empty() {
        return None;
    }
    let found = format!("there beside version 2, with {}", controllers.join(", "));
    Some(
        Check::degraded("cgroup v1", found)
            .cost(
                "an engine that places processes in version 1 only leaves them outside the \
                 enforced root, where nobody holds them to a policy",
            )
            .remedy(
                "start agents with `enforcer exec`, or move the engine to version 2; the line \
                 `0::` of /proc/PID/cgroup says where a process is",
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_version_2_alone_has_nothing_beside_it() {
        assert_eq!(beside("0::/user.slice\n"), None);
    }

    #[test]
    fn a_hybrid_host_is_told_which_controllers_are_elsewhere() {
        let check = beside("9:name=systemd:/\n4:memory:/a:b\n2:cpu,cpuacct:/\n0::/\n");
        let check = check.expect("version 1 is there");
        assert_eq!(check.state, crate::cli::doctor::State::Degraded);
        assert_eq!(check.found, "there beside version 2, with name=systemd, memory, cpu,cpuacct");
    }
}
