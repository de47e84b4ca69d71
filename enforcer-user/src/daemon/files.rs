//! Which files the policies are read from, and whether they have changed: also
//! where no notice comes, for a folder that was replaced or a link's target.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files as they were at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<PathBuf, Identity>);

/// What tells a file from what stood there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Last change of content or inode, seconds and nanoseconds; nobody can set it.
    changed: (i64, i64),
}

// === impl Files ===

impl Files {
    /// Looks at this file and at the `*.toml` files of these folders, behind links
    /// too. What is not there or cannot be looked at is left out.
    pub(super) fn look(file: &Path, folders: &[PathBuf]) -> Self {
        let inside = folders.iter().flat_map(fs::read_dir).flatten().flatten();
        let toml = inside
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        let all = toml.chain([file.to_owned()]);
        let files = all.filter_map(|path| Some((Identity::of(&path)?, path)));
        let folders = folders.iter().filter_map(|path| {
            let Identity { device, inode, .. } = Identity::of(path)?;
            Some((Identity { device, inode, bytes: 0, changed: (0, 0) }, path.clone()))
        });
        Self(files.chain(folders).map(|(identity, path)| (path, identity)).collect())
    }
}

// === impl Identity ===

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Lab(tempfile::TempDir);

    impl Lab {
        fn new() -> Self {
            let lab = Self(tempfile::tempdir().expect("made"));
            for folder in ["policies.d", "elsewhere"] {
                fs::create_dir(lab.path(folder)).expect("made");
            }
            fs::write(lab.path("elsewhere/b.toml"), "old").expect("written");
            symlink("../elsewhere/b.toml", lab.path("policies.d/b.toml")).expect("linked");
            lab
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn look(&self) -> Files {
            Files::look(&self.path("enforcer.toml"), &[self.path("policies.d")])
        }
    }

    #[test]
    fn a_folder_that_was_replaced_or_is_gone_is_a_change() {
        let lab = Lab::new();
        let before = lab.look();
        assert_eq!(lab.look(), before);
        fs::rename(lab.path("policies.d"), lab.path("old")).expect("moved");
        let gone = lab.look();
        assert_ne!(gone, before);
        fs::create_dir(lab.path("policies.d")).expect("made");
        assert_ne!(lab.look(), gone);
    }

    #[test]
    fn what_a_link_leads_to_is_a_file_like_any_other() {
        let lab = Lab::new();
        let before = lab.look();
        fs::write(lab.path("elsewhere/b.toml"), "newer").expect("written");
        assert_ne!(lab.look(), before);
    }

    #[test]
    fn the_settings_are_looked_at_and_other_files_are_not() {
        let lab = Lab::new();
        let before = lab.look();
        fs::write(lab.path("policies.d/notes.txt"), "a line").expect("written");
        assert_eq!(lab.look(), before);
        fs::write(lab.path("enforcer.toml"), "version = 1").expect("written");
        assert_ne!(lab.look(), before);
    }
}
