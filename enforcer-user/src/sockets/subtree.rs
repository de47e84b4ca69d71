//! A cgroup with everything below it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The cgroups in some trees, and who is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtree {
    /// Ids of the cgroups, each with the index of the tree it is in.
    pub cgroups: HashMap<u64, usize>,
    /// Threads in them.
    pub threads: Vec<u32>,
}

// === impl Subtree ===

impl Subtree {
    /// Looks at the cgroups `roots` (absolute) and all below. One that lies
    /// below two roots is the outer one's, as in the kernel. What is gone in
    /// the meantime is not there.
    pub fn of<P: AsRef<Path>>(roots: &[P]) -> Self {
        let mut outer_first: Vec<usize> = (0..roots.len()).collect();
        outer_first.sort_by_key(|&index| roots[index].as_ref().components().count());
        let mut found = Self::default();
        for index in outer_first {
            found.add(roots[index].as_ref(), index);
        }
        found
    }

    fn add(&mut self, cgroup: &Path, index: usize) {
        let Ok(meta) = fs::symlink_metadata(cgroup) else { return };
        if !meta.is_dir() || self.cgroups.contains_key(&meta.ino()) {
            return;
        }
        self.cgroups.insert(meta.ino(), index);
        // Not `cgroup.procs`: a threaded cgroup does not have one to read, and
        // each thread may be in a network namespace of its own.
        let threads = fs::read_to_string(cgroup.join("cgroup.threads")).unwrap_or_default();
        self.threads.extend(threads.lines().filter_map(|line| line.parse::<u32>().ok()));
        for child in fs::read_dir(cgroup).into_iter().flatten().flatten() {
            if child.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add(&child.path(), index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_cgroup_is_its_outer_ones() {
        let mount = tempfile::tempdir().expect("made");
        let [outer, inner, other] = ["a", "a/b", "c"].map(|name| mount.path().join(name));
        for (folder, threads) in [(&outer, "1\n2\n"), (&inner, "3\n"), (&other, "")] {
            fs::create_dir(folder).expect("made");
            fs::write(folder.join("cgroup.threads"), threads).expect("written");
        }
        let found = Subtree::of(&[&inner, &outer, &other]);
        let id = |path: &Path| fs::metadata(path).expect("there").ino();
        assert_eq!(found.cgroups, [(id(&outer), 1), (id(&inner), 1), (id(&other), 2)].into());
        assert_eq!(found.threads, [1, 2, 3]);
        assert_eq!(Subtree::of(&[mount.path().join("gone")]), Subtree::default());
    }
}
