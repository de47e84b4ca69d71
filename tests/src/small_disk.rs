//! A file system of a few megabytes that can be filled up.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::sweep;

/// Mounted on a folder; goes when it is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

// === impl SmallDisk ===

impl SmallDisk {
    /// Mounts one of `mib` megabytes.
    pub fn mount(folder: &Path, mib: u32) -> Self {
        let options = format!("size={mib}m,mode=0700");
        mount(Some("small"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .expect("mount a small disk");
        Self(folder.to_owned())
    }

    /// Takes the last byte.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filling")).expect("a file to fill with");
        for size in [1 << 16, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn drain(&self) {
        fs::remove_file(self.0.join("filling")).expect("remove what fills the disk");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        sweep::unmount(&self.0);
    }
}
