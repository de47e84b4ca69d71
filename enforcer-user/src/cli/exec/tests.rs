//! The launcher with real cgroups, users and descriptors. As root only.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::child::Confinement;
use super::filter::Filter;
use super::identity::Identity;
use super::image::Image;
use super::launch::{LaunchError, launch};
use super::steps::CapabilitySet;
use super::supervise::{Signals, supervise};

/// A cgroup of its own below the cgroup2 mount, and a folder to report into.
struct Lab {
    cgroup: PathBuf,
    folder: tempfile::TempDir,
    keep: CapabilitySet,
}

impl Lab {
    /// `None`, with a line that says so, where the test cannot run.
    fn new(test: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIP: {test}: needs root");
            return None;
        }
        let cgroup = cgroup2().join(format!("enforcer-test-{}-{test}", std::process::id()));
        fs::create_dir(&cgroup).expect("make a cgroup");
        let folder = tempfile::tempdir().expect("a folder");
        Some(Self { cgroup, folder, keep: CapabilitySet::default() })
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The folder is root's alone, and nothing in `/etc` is a program.
    fn path(&self) -> OsString {
        format!("{}:/etc:/usr/bin:/bin", self.folder.path().display()).into()
    }

    fn run(&self, script: &str, identity: Option<Identity>) -> Result<u8, LaunchError> {
        let words = ["sh", "-c", script].map(OsString::from);
        self.run_words(&words, identity)
    }

    fn run_words(&self, words: &[OsString], identity: Option<Identity>) -> Result<u8, LaunchError> {
        let environment = [("PATH".into(), self.path()), ("OUT".into(), self.out().into())];
        let image = Image::new(words, environment.into_iter(), None, None).expect("no NUL");
        let signals = Signals::block().expect("signals");
        let launched = launch(&self.cgroup, image, confinement(identity, self.keep))?;
        Ok(supervise(&launched, &signals).expect("supervised"))
    }

    /// Runs a script that writes into `$OUT`, and reads that.
    fn ask(&self, script: &str, identity: Option<Identity>) -> String {
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

fn cgroup2() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    Path::new(line.and_then(|line| line.split(' ').nth(1)).expect("a cgroup2 mount")).to_owned()
}

fn confinement(identity: Option<Identity>, keep: CapabilitySet) -> Confinement {
    let filter = Filter::new().expect("a filter for this architecture");
    Confinement { identity, keep, ruleset: None, filter }
}

fn nobody() -> Identity {
    Identity { uid: 61_234, gid: 61_235, groups: vec![61_236], account: None }
}

/// The value of a line of `/proc/PID/status`, its words joined by blanks.
fn status_line(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("a line of that name").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_command_is_in_its_cgroup_and_the_launcher_is_not() {
    let Some(lab) = Lab::new("cgroup") else { return };
    let own = fs::read_to_string("/proc/self/cgroup").expect("own cgroup");
    let its = lab.ask("cat /proc/self/cgroup > $OUT", None);
    let name = lab.cgroup.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(its.lines().any(|line| line == format!("0::/{name}")), "{its}");
    assert_eq!(fs::read_to_string("/proc/self/cgroup").expect("own cgroup"), own);
}

#[test]
fn no_descriptor_but_the_first_three_is_inherited() {
    let Some(lab) = Lab::new("descriptors") else { return };
    let (socket, _peer) = UnixStream::pair().expect("a pair");
    // SAFETY: duplicates a live descriptor to a number nobody else uses; the
    // copy has no close-on-exec flag, as one left by a careless caller.
    assert_eq!(unsafe { libc::dup2(socket.as_raw_fd(), 700) }, 700);
    let list = lab.ask("for fd in /proc/$$/fd/*; do readlink $fd; done > $OUT; true", None);
    // SAFETY: closes what was opened above.
    unsafe { libc::close(700) };
    // The shell itself has opened $OUT on 1; what it saved stands at 10.
    assert!(!list.contains("socket:"), "{list}");
    let high = lab.ask("test -e /proc/$$/fd/700 && echo inherited > $OUT; true", None);
    assert_eq!(high, "");
}

#[test]
fn root_without_a_user_stays_root_without_capabilities() {
    let Some(lab) = Lab::new("capabilities") else { return };
    let status = lab.ask("cat /proc/self/status > $OUT", None);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_line(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_line(&status, "NoNewPrivs"), "1");
    assert_eq!(status_line(&status, "Uid"), "0 0 0 0");
}

#[test]
fn a_user_comes_with_its_group_and_groups() {
    let Some(lab) = Lab::new("user") else { return };
    let status = lab.ask("cat /proc/self/status > $OUT", Some(nobody()));
    assert_eq!(status_line(&status, "Uid"), "61234 61234 61234 61234");
    assert_eq!(status_line(&status, "Gid"), "61235 61235 61235 61235");
    assert_eq!(status_line(&status, "Groups"), "61236");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_line(&status, set), "0000000000000000", "{set}");
    }
}

#[test]
fn granted_capabilities_are_kept_by_every_user() {
    let Some(mut lab) = Lab::new("granted") else { return };
    // CAP_NET_BIND_SERVICE and, above bit 31, CAP_BLOCK_SUSPEND.
    lab.keep = CapabilitySet(1 << 10 | 1 << 36);
    for user in [None, Some(nobody())] {
        let status = lab.ask("cat /proc/self/status > $OUT", user);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status_line(&status, set), "0000001000000400", "{set}");
        }
    }
}

#[test]
fn signals_are_as_a_new_process_expects_them() {
    let Some(lab) = Lab::new("defaults") else { return };
    let status = lab.ask("cat /proc/self/status > $OUT", None);
    // SIGPIPE is ignored and the forwarded signals are blocked in the launcher.
    for set in ["SigBlk", "SigIgn"] {
        assert_eq!(status_line(&status, set), "0000000000000000", "{set}");
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    let Some(lab) = Lab::new("exit") else { return };
    assert_eq!(lab.run("exit 37", None).expect("launched"), 37);
    assert_eq!(lab.run("kill -9 $$", None).expect("launched"), 128 + 9);
    assert_eq!(lab.run("kill -40 $$", None).expect("launched"), 128 + 40);
}

#[test]
fn a_command_that_is_not_there_is_told_from_one_that_cannot_run() {
    let Some(lab) = Lab::new("missing") else { return };
    let errno = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        match lab.run_words(&words, Some(nobody())) {
            Err(LaunchError::Child { source, .. }) => source.raw_os_error(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(errno(&["no-such-command-here"]), Some(libc::ENOENT), "a folder is closed");
    assert_eq!(errno(&["/etc/passwd"]), Some(libc::EACCES));
    assert_eq!(errno(&["group"]), Some(libc::EACCES), "found in PATH, not executable");
}

#[test]
fn a_cgroup_that_is_not_there_starts_nothing() {
    let Some(lab) = Lab::new("nowhere") else { return };
    let image = Image::new(&["true".into()], std::iter::empty(), None, None).expect("no NUL");
    let nothing = confinement(None, CapabilitySet::default());
    let missing = launch(&lab.cgroup.join("missing"), image, nothing);
    assert!(matches!(missing, Err(LaunchError::Cgroup { .. })), "{missing:?}");
}

#[test]
fn signals_reach_the_command() {
    let Some(lab) = Lab::new("signals") else { return };
    let out = lab.out();
    // SAFETY: only asks for the number of this thread.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    let sender = thread::spawn(move || {
        wait_for(&out, "ready");
        // SAFETY: signals a thread of this process that has the signal blocked
        // and reads it from a descriptor.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGUSR1) }
    });
    let script = "trap 'exit 9' USR1; echo ready > $OUT; while :; do sleep 0.01; done";
    assert_eq!(lab.run(script, None).expect("launched"), 9);
    assert_eq!(sender.join().expect("sent"), 0);
}

fn wait_for(file: &Path, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !fs::read_to_string(file).is_ok_and(|found| found.contains(text)) {
        assert!(Instant::now() < deadline, "{text} never came");
        thread::yield_now();
    }
}
