//! The Landlock domain: which files CMD may change, and no signals and abstract
//! Unix sockets to processes outside.

use std::ffi::c_int;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr;

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope,
};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::cli::exec::territory::{Territory, forbidden};
use crate::config::Settings;

/// The newest file rights used here: those up to `ioctl` on devices.
const RIGHTS: ABI = ABI::V5;
/// Signals and abstract Unix sockets (Linux 6.12).
const SCOPES: ABI = ABI::V6;

/// What each version brought, and what is open without it.
const LACKING: [(c_int, &str); 4] = [
    (1, "keep CMD from cgroups and the enforcer's files where it is root (Landlock: Linux 5.13)"),
    (3, "keep CMD from truncating the enforcer's files where it is root (Linux 6.2)"),
    (5, "keep CMD from commands to devices that it may open (Linux 6.10)"),
    (6, "keep CMD from abstract Unix sockets and from signals to others (Linux 6.12)"),
];

/// Why there is no domain.
#[derive(Debug, thiserror::Error)]
pub(super) enum FenceError {
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("make Landlock rules: {0}")]
    Rules(#[from] RulesetError),
}

/// The rules of a domain, and what they do not cover.
#[derive(Debug)]
pub(super) struct Fence {
    /// `None` where this kernel has no Landlock.
    pub(super) ruleset: Option<OwnedFd>,
    /// What a root agent shall not change even the mode of.
    pub(super) forbidden: Vec<PathBuf>,
    /// One sentence each.
    pub(super) warnings: Vec<String>,
}

// === impl Fence ===

impl Fence {
    /// Rules that leave everything writable but what no agent may change;
    /// `own` is the agent's own folder, if it has one.
    ///
    /// # Errors
    /// The mounts cannot be read, or the kernel refuses the rules.
    pub(super) fn new(
        settings: &Settings,
        config: &Path,
        own: Option<&Path>,
    ) -> Result<Self, FenceError> {
        let path = Path::new("/proc/self/mountinfo");
        let mounts = fs::read_to_string(path)
            .map_err(|source| FenceError::Read { path: path.to_owned(), source })?;
        let forbidden = forbidden(settings, config, &mounts);
        let mut territory = Territory::around(Path::new("/"), &forbidden);
        territory.open.extend(own.map(Path::to_owned));
        let mut warnings = not_fenced_here();
        warnings.extend(territory.closed.iter().map(|folder| {
            format!(
                "CMD can make no files in {} itself: files of the enforcer are below it",
                folder.display()
            )
        }));
        Ok(Self { ruleset: ruleset(&territory.open)?, forbidden, warnings })
    }
}

/// The kernel's version of Landlock; 0 is none.
fn version() -> c_int {
    let ask: u32 = 1; // LANDLOCK_CREATE_RULESET_VERSION
    // SAFETY: without attributes and with this flag it only answers.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0_usize, ask)
    };
    c_int::try_from(answer).unwrap_or_default().max(0)
}

/// What this kernel's Landlock leaves open, one sentence each.
pub(in crate::cli) fn not_fenced_here() -> Vec<String> {
    lacking(version())
}

fn lacking(version: c_int) -> Vec<String> {
    let missing = LACKING.iter().filter(|(since, _)| version < *since);
    missing.map(|(_, what)| format!("this kernel cannot {what}")).collect()
}

/// Rights that the kernel does not know are left out by the library.
fn ruleset(open: &[PathBuf]) -> Result<Option<OwnedFd>, RulesetError> {
    let rights = AccessFs::from_write(RIGHTS);
    let rules = Ruleset::default().handle_access(rights)?.scope(Scope::from_all(SCOPES))?;
    let mut rules = rules.create()?;
    for (place, rights) in open.iter().filter_map(|path| rule(path, rights)) {
        rules = rules.add_rule(PathBeneath::new(place, rights))?;
    }
    Ok(rules.into())
}

/// `None` for what has gone in the meantime or has become a link.
fn rule(path: &Path, rights: BitFlags<AccessFs>) -> Option<(OwnedFd, BitFlags<AccessFs>)> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let place = open(path, flags, Mode::empty()).ok()?;
    let mode = fstat(place.as_fd()).ok()?.st_mode;
    match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFLNK => None,
        SFlag::S_IFDIR => Some((place, rights)),
        _ => Some((place, rights & AccessFs::from_file(RIGHTS))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_lacks_something_is_said_to() {
        assert_eq!(lacking(6), Vec::<String>::new());
        assert_eq!(lacking(2).len(), 3);
        assert!(lacking(5)[0].contains("Linux 6.12"));
    }

    #[test]
    fn rules_are_made_for_files_and_folders_and_not_for_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let rights = AccessFs::from_write(RIGHTS);
        assert_eq!(rule(folder.path(), rights).map(|(_, rights)| rights), Some(rights));
        let of_file = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        assert_eq!(rule(&file, rights).map(|(_, rights)| rights), Some(of_file));
        assert!(rule(&link, rights).is_none());
        assert!(rule(&folder.path().join("gone"), rights).is_none());
        let made = ruleset(&[folder.path().to_owned(), file, link]).expect("rules");
        assert_eq!(made.is_some(), version() > 0);
    }
}
