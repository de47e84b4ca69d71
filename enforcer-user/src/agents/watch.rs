//! Told by the kernel (inotify) that a folder changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::timeout;

/// A burst of changes that never pauses is acted on after so many pauses.
const PATIENCE: u32 = 10;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Folders appearing and vanishing, at any depth.
    Folders,
    /// `*.toml` files of one folder, written or replaced.
    Files,
}

/// A watch; it ends when dropped.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    what: Of,
    changed: Arc<Notify>,
}

// === impl Watch ===

impl Watch {
    /// A watch that looks at nothing yet.
    ///
    /// # Errors
    /// The kernel gives no inotify instance.
    pub fn new(what: Of) -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may stand for lost notices: look again.
            if event.map_or(true, |e| e.need_rescan() || matters(what, &e)) {
                tell.notify_one();
            }
        })?;
        Ok(Self { watcher, what, changed })
    }

    /// Watches this folder as well.
    ///
    /// # Errors
    /// It does not exist, or the kernel's limit of watches is reached.
    pub fn add(&mut self, folder: &Path) -> notify::Result<()> {
        let depth = match self.what {
            Of::Folders => RecursiveMode::Recursive,
            Of::Files => RecursiveMode::NonRecursive,
        };
        self.watcher.watch(folder, depth)
    }

    /// Waits for the next change; one that came before the call counts.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits for a change and then until `quiet` passed without another one.
    pub async fn settled(&self, quiet: Duration) {
        self.changed().await;
        for _ in 0..PATIENCE {
            if timeout(quiet, self.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// Looking at folders makes notices of its own; those must not count.
fn matters(what: Of, event: &notify::Event) -> bool {
    let kind = event.kind;
    let came_or_went = kind.is_create() || kind.is_remove();
    let written = kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
    match what {
        Of::Folders => came_or_went,
        Of::Files => {
            let is_toml = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
            (came_or_went || kind.is_modify() || written) && event.paths.iter().any(is_toml)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_new_folder_is_noticed_at_any_depth() {
        let dir = tempfile::tempdir().expect("made");
        fs::create_dir_all(dir.path().join("a/b")).expect("made");
        let mut watch = Watch::new(Of::Folders).expect("inotify is there");
        watch.add(dir.path()).expect("watched");
        fs::create_dir(dir.path().join("a/b/c")).expect("made");
        timeout(SOON, watch.changed()).await.expect("noticed");
    }

    #[tokio::test]
    async fn a_burst_of_writes_is_one_change() {
        let dir = tempfile::tempdir().expect("made");
        let mut watch = Watch::new(Of::Files).expect("inotify is there");
        watch.add(dir.path()).expect("watched");
        for text in ["a", "b", "c"] {
            fs::write(dir.path().join("x.toml"), text).expect("written");
        }
        timeout(SOON, watch.settled(Duration::from_millis(50))).await.expect("noticed");
        let again = timeout(Duration::from_millis(200), watch.changed()).await;
        assert!(again.is_err(), "settled and told twice");
    }

    #[tokio::test]
    async fn a_file_beside_the_policies_is_no_change() {
        let dir = tempfile::tempdir().expect("made");
        let mut watch = Watch::new(Of::Files).expect("inotify is there");
        watch.add(dir.path()).expect("watched");
        fs::write(dir.path().join("enforcer.log"), "a line").expect("written");
        assert!(timeout(Duration::from_millis(200), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn looking_is_no_change() {
        let dir = tempfile::tempdir().expect("made");
        let mut watch = Watch::new(Of::Folders).expect("inotify is there");
        watch.add(dir.path()).expect("watched");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
        assert!(timeout(Duration::from_millis(200), watch.changed()).await.is_err());
    }
}
