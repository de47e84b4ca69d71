//! The daemon is killed with SIGKILL at each point of a revocation. Whatever
//! the point, the next one ends it, and the token dies exactly once.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use enforcer_user::policy::{Credential, Step};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::acting::{Acting, WIDE};
use crate::fakes::{Asked, FakeProvider, FakeToken};
use crate::inventory::{credential, finding, oauth2};

const DIR: &str = "ENFORCER_CRASH_DIR";
const URL: &str = "ENFORCER_CRASH_URL";
const FIRST: &str = "ENFORCER_CRASH_FIRST";
const LADDER: &[Step] = &[Step::Quarantine, Step::Revoke];
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

fn key(dir: &Path, url: &str) -> [Credential; 1] {
    [credential(dir, "key", Some(oauth2(dir, url)))]
}

/// Not a test of its own: the process that the tests below start and kill.
#[tokio::test]
async fn the_daemon_that_is_killed() {
    let (Ok(dir), Ok(url)) = (std::env::var(DIR), std::env::var(URL)) else { return };
    let key = key(dir.as_ref(), &url);
    let mut acting = Acting::new(dir.as_ref(), &key, WIDE);
    if std::env::var(FIRST).is_ok() {
        assert!(acting.act.handle(finding(&key, LADDER)));
        acting.told("queued").await;
        println!("\nqueued");
    } else if acting.act.counts().expect("counts").pending == 0 {
        return;
    }
    if url == NOBODY {
        acting.told("retried").await;
        println!("\nretried");
    }
    acting.told("confirmed").await;
    acting.end().await;
}

fn daemon(dir: &Path, url: &str, first: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "crash::the_daemon_that_is_killed", "--nocapture"]);
    command.env(DIR, dir).env(URL, url).stdout(Stdio::piped());
    if first {
        command.env(FIRST, "1");
    }
    command.spawn().expect("starts")
}

/// A fake server that kills the daemon at the first call that `when` names,
/// with (`after`) or without having done what was asked.
struct Deadly {
    fake: FakeProvider,
    token: Arc<FakeToken>,
    victim: Arc<AtomicI32>,
}

// === impl Deadly ===

impl Deadly {
    fn new(when: &'static str, after: bool) -> Self {
        let (token, victim) = (Arc::new(FakeToken::default()), Arc::new(AtomicI32::new(0)));
        let (served, armed) = (token.clone(), Mutex::new(true));
        let pid = victim.clone();
        let script = move |asked: &Asked| {
            let mut armed = armed.lock().expect("not poisoned");
            if !*armed || asked.path != when {
                return served.answer(asked);
            }
            *armed = false;
            if after {
                served.answer(asked);
            }
            while pid.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let pid = Pid::from_raw(pid.load(Ordering::SeqCst));
            kill(pid, Signal::SIGKILL).expect("killed");
            Vec::new()
        };
        Self { fake: FakeProvider::new(script), token, victim }
    }

    /// A first daemon that must be killed, a second that must end the job, a
    /// third that must find nothing to do.
    fn run(&self) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut first = daemon(dir.path(), &self.fake.url(""), true);
        let pid = i32::try_from(first.id()).expect("a pid");
        self.victim.store(pid, Ordering::SeqCst);
        assert!(!first.wait().expect("waited").success(), "the first must be killed");
        self.resume(dir.path());
    }

    fn resume(&self, dir: &Path) {
        let mut second = daemon(dir, &self.fake.url(""), false);
        assert!(second.wait().expect("waited").success(), "the second must end the job");
        let calls = self.fake.asked("/revoke").len() + self.fake.asked("/introspect").len();
        let mut third = daemon(dir, &self.fake.url(""), false);
        assert!(third.wait().expect("waited").success());
        let now = self.fake.asked("/revoke").len() + self.fake.asked("/introspect").len();
        assert_eq!(now, calls, "the third must find nothing to do");
        assert_eq!(*self.token.effective.lock().expect("counted"), 1);
    }
}

#[test]
fn killed_before_the_provider_revokes() {
    let deadly = Deadly::new("/revoke", false);
    deadly.run();
    assert_eq!(deadly.fake.asked("/revoke").len(), 2);
}

#[test]
fn killed_before_it_hears_the_answer() {
    let deadly = Deadly::new("/revoke", true);
    deadly.run();
    assert_eq!(deadly.fake.asked("/revoke").len(), 1, "asked first, so not revoked twice");
}

#[test]
fn killed_before_the_confirmation() {
    let deadly = Deadly::new("/introspect", true);
    deadly.run();
    assert_eq!(deadly.fake.asked("/revoke").len(), 1);
}

/// Kills the first daemon when it says `word`.
fn killed_at(word: &str, url: Option<&str>) {
    let deadly = Deadly::new("never", false);
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = daemon(dir.path(), url.unwrap_or(&deadly.fake.url("")), true);
    let stdout = BufReader::new(first.stdout.take().expect("piped"));
    assert!(stdout.lines().map_while(Result::ok).any(|line| line == word), "never said {word}");
    first.kill().expect("killed");
    first.wait().expect("waited");
    deadly.resume(dir.path());
}

#[test]
fn killed_between_the_decision_and_the_call() {
    killed_at("queued", None);
}

#[test]
fn killed_while_the_provider_is_down() {
    killed_at("retried", Some(NOBODY));
}
