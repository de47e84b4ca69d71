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
/// claimed by two agents is given to neither: unassigned is denied. Where the look fails
/// (no memory, no descriptors), those of `before` that were not seen are still there.
pub fn scan(mount: &Path, root: &Path, claims: &Claims, before: &[Cgroup]) -> Scan {
    let mut found = Scan::default();
    make_named(mount, claims, &mut found.problems);
    let mut below = BTreeMap::new();
    if let Err(error) = walk(mount, root, MAX_DEPTH, &mut below) {
        found.problems.push(format!("read cgroup {}: {error}", root.display()));
        if error.kind() != io::ErrorKind::NotFound {
            for cgroup in before {
                below.entry(cgroup.path.clone()).or_insert(cgroup.id);
            }
        }
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
        let meta = match fs::symlink_metadata(&child) {
            Ok(meta) => meta,
            // Gone between the listing and now: not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{AgentPlan, Plan};

    /// Claims as a plan makes them.
    fn claims(of: &[(&str, &[&str])]) -> Claims {
        let agents = of
            .iter()
            .map(|(agent, cgroups)| AgentPlan {
                agent: AgentName::parse(agent).expect("a name"),
                cgroups: cgroups.iter().map(|&c| c.to_owned()).collect(),
                limits: enforcer_common::AgentLimits::default(),
                prefixes: Vec::new(),
                lists: Vec::new(),
                unix: Vec::new(),
                interfaces: Vec::new(),
                rules: Vec::new(),
            })
            .collect();
        Claims::of(&Plan { agents }, Path::new("agents.slice")).expect("good claims")
    }

    /// A tree that looks like a cgroup2 mount.
    fn tree(folders: &[&str]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().expect("made");
        fs::create_dir(mount.path().join("agents.slice")).expect("made");
        for folder in folders {
            fs::create_dir_all(mount.path().join("agents.slice").join(folder)).expect("made");
        }
        mount
    }

    fn look(mount: &tempfile::TempDir, claims: &Claims) -> Scan {
        scan(mount.path(), Path::new("agents.slice"), claims, &[])
    }

    fn found(scan: &Scan) -> Vec<String> {
        scan.cgroups.iter().map(|c| format!("{} {}", c.agent, c.path.display())).collect()
    }

    #[test]
    fn a_cgroup_claimed_by_name_is_made_and_a_glob_takes_what_is_there() {
        let mount = tree(&["job-1", "job-2/inner", "other"]);
        let seen =
            look(&mount, &claims(&[("a", &["agents.slice/a"]), ("jobs", &["agents.slice/job-*"])]));
        assert_eq!(seen.problems, Vec::<String>::new());
        let expected = ["a agents.slice/a", "jobs agents.slice/job-1", "jobs agents.slice/job-2"];
        assert_eq!(found(&seen), expected);
    }

    #[test]
    fn a_cgroup_made_anew_has_another_id() {
        let mount = tree(&["job-1"]);
        let jobs = claims(&[("jobs", &["agents.slice/job-*"])]);
        let before = look(&mount, &jobs);
        let path = mount.path().join("agents.slice/job-1");
        // Held, so that the file system cannot give the number out again.
        let _old = fs::File::open(&path).expect("there");
        fs::remove_dir(&path).expect("removed");
        assert_eq!(found(&look(&mount, &jobs)), Vec::<String>::new());
        fs::create_dir(&path).expect("made");
        let after = look(&mount, &jobs);
        assert_eq!(found(&after), found(&before));
        assert_ne!(after.cgroups[0].id, before.cgroups[0].id);
    }

    #[test]
    fn a_cgroup_claimed_twice_is_given_to_neither() {
        let mount = tree(&["job-1"]);
        let both = claims(&[("a", &["agents.slice/job-*"]), ("b", &["agents.slice/job-1"])]);
        let seen = look(&mount, &both);
        assert_eq!(found(&seen), Vec::<String>::new());
        assert_eq!(
            seen.problems,
            ["cgroup agents.slice/job-1 is claimed by a and b: it is given to neither"]
        );
    }

    #[test]
    fn the_self_checks_own_cgroup_is_never_an_agents() {
        let mount = tree(&[CANARY_CGROUP]);
        assert_eq!(
            found(&look(&mount, &claims(&[("a", &["agents.slice/*"])]))),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_root_that_is_gone_is_a_problem() {
        let mount = tempfile::tempdir().expect("made");
        let seen = look(&mount, &claims(&[("a", &["agents.slice/*"])]));
        assert!(seen.problems[0].starts_with("read cgroup agents.slice: "), "{seen:?}");
    }

    #[test]
    fn what_a_failed_look_did_not_see_is_still_there() {
        let mount = tree(&["a", "b"]);
        let claims = claims(&[("a", &["agents.slice/a"]), ("b", &["agents.slice/b"])]);
        let before = look(&mount, &claims).cgroups;
        assert_eq!(before.len(), 2);
        let root = mount.path().join("agents.slice");
        fs::rename(&root, mount.path().join("elsewhere")).expect("moved");
        fs::write(&root, "no folder").expect("written");
        let seen = scan(mount.path(), Path::new("agents.slice"), &claims, &before);
        assert_eq!(seen.cgroups, before);
        fs::remove_file(&root).expect("removed");
        fs::create_dir(&root).expect("made");
        let seen = scan(mount.path(), Path::new("agents.slice"), &claims, &before);
        assert!(seen.cgroups.iter().all(|cgroup| !before.contains(cgroup)), "made anew: {seen:?}");
    }

    #[test]
    fn processes_of_nested_cgroups_count() {
        let mount = tree(&["a/b"]);
        let a = mount.path().join("agents.slice/a");
        fs::write(a.join("cgroup.procs"), "1\n2\n").expect("written");
        fs::write(a.join("b/cgroup.procs"), "3\n").expect("written");
        assert_eq!(processes(&a), 3);
        assert_eq!(processes(Path::new("/nowhere")), 0);
    }
}
