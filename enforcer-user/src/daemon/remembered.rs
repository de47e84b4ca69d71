//! What is usual of each agent, on disk: `baselines.json` in the state folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use crate::correlate::Memory;

/// How often it is written. As much is forgotten when the daemon is killed.
const EVERY: Duration = Duration::from_secs(60);

/// When it is to be written again.
pub(super) struct Keeper {
    next: Instant,
}

// === impl Keeper ===

impl Keeper {
    /// The next time is one interval from now.
    pub(super) fn new() -> Self {
        Self { next: Instant::now() + EVERY }
    }

    /// Writes it when it is time. A full disk costs what was learnt since.
    pub(super) fn look(&mut self, core: &Core) {
        if Instant::now() >= self.next {
            self.next = Instant::now() + EVERY;
            save(core);
        }
    }
}

/// Writes down what is known of the past.
pub(super) fn save(core: &Core) {
    let memory = core.correlator().memory();
    let path = path(&core.settings.state_dir);
    if let Err(error) = write(&memory, &path) {
        tracing::warn!("write {}: {error}", path.display());
    }
}

/// What the last daemon knew; nothing where there is no file. One that cannot be
/// read is put aside, and the past is learnt anew.
pub(super) fn load(state_dir: &Path) -> Memory {
    let path = path(state_dir);
    read(&path).unwrap_or_else(|error| {
        let aside = path.with_extension("json.unreadable");
        let kept = fs::rename(&path, &aside).is_ok();
        let kept = if kept { format!(", kept as {}", aside.display()) } else { String::new() };
        tracing::warn!("read {}: {error}{kept}; what is usual is learnt anew", path.display());
        Memory::default()
    })
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("baselines.json")
}

fn read(path: &Path) -> io::Result<Memory> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Memory::default()),
        Err(error) => Err(error),
    }
}

/// Replaces the file in one step, so that a reader never sees half of it.
fn write(memory: &Memory, path: &Path) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec(memory)?)?;
    file.sync_data()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_put_aside_and_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        load(folder.path());
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0, "no file is no fault");
        fs::write(path(folder.path()), "{ half").expect("written");
        load(folder.path());
        let aside = fs::read_to_string(folder.path().join("baselines.json.unreadable"));
        assert_eq!(aside.expect("kept"), "{ half");
        write(&Memory::default(), &path(folder.path())).expect("written");
        load(folder.path());
        assert!(path(folder.path()).exists());
    }
}
