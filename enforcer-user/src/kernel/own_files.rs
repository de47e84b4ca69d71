//! The enforcer's own files, which the security hooks keep from agents that are
//! root.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData};
use enforcer_common::FileKey;
use nix::sys::stat::{major, minor};

use super::error::KernelError;
use super::maps::pinned;

const FILES: &str = "FILES";

/// The table, and what is in it.
pub(crate) struct OwnFiles {
    table: HashMap<MapData, FileKey, u32>,
    known: BTreeSet<FileKey>,
}

// === impl OwnFiles ===

impl OwnFiles {
    /// Takes over what an earlier daemon has written.
    pub(crate) fn adopt(maps: &Path) -> Result<Self, KernelError> {
        let (table, _) = pinned::<FileKey, u32>(maps, FILES)?;
        let table: HashMap<_, FileKey, u32> =
            Map::HashMap(table).try_into().map_err(KernelError::map(FILES))?;
        let known = table.keys().flatten().collect();
        Ok(Self { table, known })
    }

    /// Keeps these places, and what is directly in those that are folders. What
    /// is not there is left out; what is new is kept before the old is let go.
    pub(crate) fn keep(&mut self, places: &[PathBuf]) -> Result<(), KernelError> {
        let inside = places.iter().flat_map(fs::read_dir).flatten().flatten();
        let all = places.iter().cloned().chain(inside.map(|entry| entry.path()));
        let wanted: BTreeSet<_> = all.filter_map(|path| key(&path)).collect();
        for key in wanted.difference(&self.known) {
            self.table.insert(key, 1, 0).map_err(KernelError::map(FILES))?;
        }
        for key in self.known.difference(&wanted) {
            // Gone already, if an earlier attempt was cut short.
            let _gone = self.table.remove(key);
        }
        self.known = wanted;
        Ok(())
    }
}

fn key(path: &Path) -> Option<FileKey> {
    let meta = fs::metadata(path).ok()?;
    let halves = [major(meta.dev()), minor(meta.dev())].map(u32::try_from);
    let [Ok(major), Ok(minor)] = halves else { return None };
    Some(FileKey::new((major, minor), meta.ino()))
}
