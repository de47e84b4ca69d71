//! The agent's own folder for its Unix sockets, `XDG_RUNTIME_DIR` of CMD. A
//! file system of its own that follows no links, so that a path below it, which
//! its policy need not name, never leads to somebody else's socket.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::config::Settings;

/// `linux/mount.h`, since Linux 5.10; libc has no such constant for `mount(2)`.
const MS_NOSYMFOLLOW: MsFlags = MsFlags::from_bits_retain(256);
/// In the folder of the state.
const LOCK: &str = "folders.lock";
/// Room for sockets and small files.
const OPTIONS: &str = "mode=0700,size=16m,nr_inodes=4096";

/// Why there is no such folder.
#[derive(Debug, thiserror::Error)]
#[error("{act} {}: {source}", path.display())]
pub(super) struct FolderError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Makes the folder if it is missing and gives it to this user.
///
/// # Errors
/// A step fails; then CMD has no such folder.
pub(super) fn prepare(
    settings: &Settings,
    agent: &str,
    (uid, gid): (u32, u32),
) -> Result<PathBuf, FolderError> {
    let (all, own) = (settings.agent_dirs(), settings.agent_dir(agent));
    make(&all, 0o711)?;
    // Two launchers at once would mount twice. Not a lock on what CMD sees: it
    // could hold one as well.
    let _lock = lock(&settings.state_dir)?;
    if !is_own_tmpfs(&own, &all) {
        make(&own, 0o700)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MS_NOSYMFOLLOW;
        mount(Some("enforcer"), &own, Some("tmpfs"), flags, Some(OPTIONS))
            .map_err(|errno| failed("mount a file system on", &own)(errno.into()))?;
    }
    chown(&own, Some(uid), Some(gid)).map_err(failed("change the owner of", &own))?;
    Ok(own)
}

/// What keeps this user from its folder, if anything does.
pub(super) fn out_of_reach(folder: &Path, uid: u32) -> Option<&Path> {
    let searchable = |path: &Path| {
        fs::metadata(path).is_ok_and(|meta| {
            let mode = meta.permissions().mode();
            meta.uid() == uid && mode & 0o100 != 0 || mode & 0o001 != 0
        })
    };
    folder.ancestors().skip(1).find(|above| uid != 0 && !searchable(above))
}

/// Removes the folders of all agents; what still uses one keeps it until then.
pub(crate) fn remove_all(settings: &Settings) {
    let folders = settings.agent_dirs();
    for own in fs::read_dir(&folders).into_iter().flatten().flatten() {
        // Best effort: an empty folder that stays harms nobody.
        let _unmounted = umount2(&own.path(), MntFlags::MNT_DETACH);
        let _removed = fs::remove_dir(own.path());
    }
    let _removed = fs::remove_dir(&folders);
}

/// Made with this mode whatever the caller's mask; an existing one stays.
fn make(path: &Path, mode: u32) -> Result<(), FolderError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        let mut parents = DirBuilder::new();
        parents.recursive(true).mode(0o755).create(parent).map_err(failed("make", parent))?;
    }
    fs::create_dir(path).map_err(failed("make", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("open up", path))
}

fn lock(state: &Path) -> Result<Flock<File>, FolderError> {
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(0o700).create(state).map_err(failed("make", state))?;
    let path = state.join(LOCK);
    let file = File::create(&path).map_err(failed("open", &path))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| failed("lock", &path)(errno.into()))
}

fn is_own_tmpfs(path: &Path, above: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).map(|meta| meta.dev()).ok();
    let tmpfs = statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
    tmpfs && device(path) != device(above)
}

fn failed<'p>(act: &'static str, path: &'p Path) -> impl Fn(io::Error) -> FolderError + 'p {
    move |source| FolderError { act, path: path.to_owned(), source }
}
