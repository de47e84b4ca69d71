//! A place for the launcher's own tests. As root only.

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::child::Confinement;
use super::filter::Filter;
use super::identity::Identity;
use super::image::Image;
use super::launch::{LaunchError, launch};
use super::refusals::Hearing;
use super::steps::CapabilitySet;
use super::supervise::{Signals, supervise};

/// A cgroup of its own below the cgroup2 mount, and a folder to report into.
pub(super) struct Lab {
    pub(super) cgroup: PathBuf,
    pub(super) folder: tempfile::TempDir,
    pub(super) keep: CapabilitySet,
    pub(super) ruleset: Option<OwnedFd>,
}

impl Lab {
    /// `None`, with a line that says so, where the test cannot run.
    pub(super) fn new(test: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIP: {test}: needs root");
            return None;
        }
        let cgroup = cgroup2().join(format!("enforcer-test-{}-{test}", std::process::id()));
        fs::create_dir(&cgroup).expect("make a cgroup");
        let folder = tempfile::tempdir().expect("a folder");
        Some(Self { cgroup, folder, keep: CapabilitySet::default(), ruleset: None })
    }

    pub(super) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The folder is root's alone, and nothing in `/etc` is a program.
    pub(super) fn path(&self) -> OsString {
        format!("{}:/etc:/usr/bin:/bin", self.folder.path().display()).into()
    }

    pub(super) fn run(&self, script: &str, identity: Option<Identity>) -> Result<u8, LaunchError> {
        let words = ["sh", "-c", script].map(OsString::from);
        self.run_words(&words, identity)
    }

    pub(super) fn run_words(
        &self,
        words: &[OsString],
        identity: Option<Identity>,
    ) -> Result<u8, LaunchError> {
        let environment = [("PATH".into(), self.path()), ("OUT".into(), self.out().into())];
        let image = Image::new(words, environment.into_iter(), None, None).expect("no NUL");
        let signals = Signals::block().expect("signals");
        let mut confinement = confinement(identity, self.keep);
        let ruleset = self.ruleset.as_ref().map(OwnedFd::try_clone).transpose();
        confinement.ruleset = ruleset.expect("a copy of the descriptor");
        let (launched, listener) = launch(&self.cgroup, image, confinement)?;
        let hearing = Hearing::begin(listener, None);
        let code = supervise(&launched, &signals).expect("supervised");
        hearing.end();
        Ok(code)
    }

    /// Runs a script that writes into `$OUT`, and reads that.
    pub(super) fn ask(&self, script: &str, identity: Option<Identity>) -> String {
        fs::write(self.out(), "").expect("make the file");
        fs::set_permissions(self.out(), std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .expect("for every user");
        fs::set_permissions(
            self.folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("for every user");
        assert_eq!(self.run(script, identity).expect("launched"), 0);
        fs::read_to_string(self.out()).expect("the answer")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The kernel lets go of an ended process a moment later.
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.cgroup).is_err() && Instant::now() < deadline {
            thread::yield_now();
        }
    }
}

pub(super) fn cgroup2() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    Path::new(line.and_then(|line| line.split(' ').nth(1)).expect("a cgroup2 mount")).to_owned()
}

pub(super) fn confinement(identity: Option<Identity>, keep: CapabilitySet) -> Confinement {
    let filter = Filter::new().expect("a filter for this architecture");
    Confinement { identity, keep, ruleset: None, filter }
}

pub(super) fn nobody() -> Identity {
    Identity { uid: 61_234, gid: 61_235, groups: vec![61_236], account: None }
}
