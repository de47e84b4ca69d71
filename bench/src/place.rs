//! A cgroup, a folder and a bpffs that belong to one thing that is measured,
//! and go with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use enforcer_tests::{cgroup, sweep};
use nix::mount::{MsFlags, mount};

/// The agent of every place.
pub const AGENT: &str = "worker";

/// One such place.
#[derive(Debug)]
pub struct Place {
    name: String,
    folder: PathBuf,
}

// === impl Place ===

impl Place {
    /// Makes one; it needs root. Its name tells a later sweep whose it was.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        sweep::leftovers();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-bench{number}", sweep::PREFIX, std::process::id());
        let place = Self { folder: std::env::temp_dir().join(&name), name };
        for folder in ["policies.d", "credentials.d", "state", "bpf"] {
            let path = place.folder.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        }
        mount(Some("bpf"), &place.folder.join("bpf"), Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("mount a bpffs")?;
        let agent = place.agent();
        fs::create_dir_all(&agent).with_context(|| format!("create {}", agent.display()))?;
        Ok(place)
    }

    /// Name of the root cgroup, below the cgroup2 mount.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder of its own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The root: programs are attached here, as the product's are.
    pub fn root(&self) -> PathBuf {
        cgroup::mount_point().join(&self.name)
    }

    /// The cgroup of the agent, which sends.
    pub fn agent(&self) -> PathBuf {
        self.root().join(AGENT)
    }

    /// The root as programs are attached to it.
    ///
    /// # Errors
    /// It is gone.
    pub fn open_root(&self) -> Result<File> {
        let root = self.root();
        File::open(&root).with_context(|| format!("open {}", root.display()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        sweep::unmount(&self.folder.join("bpf"));
        cgroup::remove(&self.root());
        let _gone = fs::remove_dir_all(&self.folder);
    }
}
