//! Network namespaces without names: they go with the last descriptor and
//! process that hold them, however the test ends.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace.
#[derive(Clone, Debug)]
pub struct Netns(Arc<OwnedFd>);

// === impl Netns ===

impl Netns {
    /// A new one, with only `lo` in it, down.
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("unshare the network namespace");
            File::open("/proc/thread-self/ns/net").expect("open the namespace")
        });
        let file = made.join().expect("the namespace thread ends");
        Self(Arc::new(file.into()))
    }

    /// Where `ip` and others can open it while this process lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs `work` on a thread of its own inside the namespace. Sockets made
    /// there stay there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter();
                work()
            });
            match thread.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) {
        setns(&*self.0, CloneFlags::CLONE_NEWNET).expect("enter the network namespace");
    }

    /// Lets `command` start inside the namespace.
    pub fn put<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let fd = Arc::clone(&self.0);
        // SAFETY: `setns` is one system call, async-signal-safe; the
        // descriptor lives in the closure.
        unsafe {
            command.pre_exec(move || Ok(setns(&*fd, CloneFlags::CLONE_NEWNET)?));
        }
        command
    }

    /// Runs `ip` with these words inside the namespace.
    ///
    /// # Panics
    /// When `ip` is missing or refuses.
    pub fn ip(&self, words: &str) {
        let mut command = Command::new("ip");
        command.args(words.split_whitespace());
        let output = self.put(&mut command).output().expect("run ip");
        assert!(
            output.status.success(),
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }

    /// Writes a sysctl of the namespace, named as below `/proc/sys/net`.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.run(|| std::fs::write(&path, value))
            .unwrap_or_else(|error| panic!("write {value} to {name}: {error}"));
    }
}

impl Default for Netns {
    fn default() -> Self {
        Self::new()
    }
}
