//! The cgroups that exist, matched with the claims.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use enforcer_common::MAX_DEPTH;

use super::claims::{Claims, Pattern};
use crate::policy::AgentName;

/// Name of the cgroups that the self-check makes; never anybody's.
pub const CANARY_CGROUP: &str = "enforcer-canary";

/// One cgroup of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Whose.
    pub agent: AgentName,
    /// Relative to the cgroup2 mount.
    pub path: PathBuf,
    /// The kernel's id: the inode number of its directory. A cgroup that is
    /// made anew under the same name has another one.
    pub id: u64,
}

/// What a look at the hierarchy found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Every cgroup that is one agent's, by path.
    pub cgroups: Vec<Cgroup>,
    /// What kept a cgroup from being somebody's, one sentence each.
    pub problems: Vec<String>,
}

/// Looks below the enforced root for the claimed cgroups, and makes those that
/// are claimed by name. `mount` is absolute, `root` relative to it. A cgroup
/// claimed by two agents is given to neither: unassigned is denied.
pub fn scan(mount: &Path, root: &Path, claims: &Claims) -> Scan {
    let mut found = Scan::default();
    make_named(mount, claims, &mut found.problems);
    let mut below = BTreeMap::new();
    if let Err(error) = walk(mount, root, MAX_DEPTH, &mut below) {
        found.problems.push(format!("read cgroup {}: {error}", root.display()));
    }
    for (path, id) in below {
        assign(path, id, claims, &mut found);
    }
    found
}

/// Processes in a cgroup and those nested in it; 0 where it is gone.
pub fn processes(cgroup: &Path) -> u32 {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let own = u32::try_from(own.lines().count()).unwrap_or(u32::MAX);
    let nested = children(cgroup).unwrap_or_default();
    nested.iter().fold(own, |sum, child| sum.saturating_add(processes(child)))
}

fn make_named(mount: &Path, claims: &Claims, problems: &mut Vec<String>) {
    for claim in &claims.of_agents {
        let Pattern::Path(path) = &claim.what else { continue };
        if let Err(error) = fs::create_dir_all(mount.join(path)) {
            problems.push(format!("create cgroup {}: {error}", path.display()));
        }
    }
}

fn assign(path: PathBuf, id: u64, claims: &Claims, found: &mut Scan) {
    let mut owners: Vec<&AgentName> =
        claims.of_agents.iter().filter(|c| c.what.matches(&path)).map(|c| &c.agent).collect();
    owners.sort();
    owners.dedup();
    match owners[..] {
        [] => {}
        [agent] => found.cgroups.push(Cgroup { agent: agent.clone(), path, id }),
        [first, second, ..] => found.problems.push(format!(
            "cgroup {} is claimed by {} and {}: it is given to neither",
            path.display(),
            first.as_str(),
            second.as_str()
        )),
    }
}

/// Every cgroup below `at` (relative to `mount`) with its id, `levels` deep:
/// the kernel looks no deeper for an agent.
fn walk(mount: &Path, at: &Path, levels: u32, into: &mut BTreeMap<PathBuf, u64>) -> io::Result<()> {
    for child in children(&mount.join(at))? {
        if child.ends_with(CANARY_CGROUP) {
            continue;
        }
        // Gone between the listing and now: not there.
        let Ok(meta) = fs::symlink_metadata(&child) else { continue };
        let path = child.strip_prefix(mount).unwrap_or(&child).to_owned();
        if levels > 1
            && let Err(error) = walk(mount, &path, levels - 1, into)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        into.insert(path, meta.ino());
    }
    Ok(())
}

fn children(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    let is_dir = |e: &fs::DirEntry| e.file_type().is_ok_and(|t| t.is_dir());
    Ok(entries.iter().filter(|e| is_dir(e)).map(fs::DirEntry::path).collect())
}
