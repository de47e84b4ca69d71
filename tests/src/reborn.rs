//! A process with a process id of the test's choice: one that another had.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::binaries;
use crate::lab::Lab;

/// `struct clone_args` (`include/uapi/linux/sched.h`).
#[repr(C)]
#[derive(Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

/// What the child needs, made before it is: it may not allocate.
struct Prepared {
    netns: OwnedFd,
    procs: Option<CString>,
    program: CString,
    words: Vec<CString>,
}

/// Lets a helper with the process id `pid`, which nobody has now, do what
/// `words` say, in `cgroup` or where the test is. `true` when it worked.
///
/// # Panics
/// When the kernel does not give that process id.
pub fn act(lab: &Lab, pid: u32, cgroup: Option<&Path>, words: &str) -> bool {
    let prepared = Prepared::new(lab, cgroup, words);
    let mut argv: Vec<_> = prepared.words.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    let wanted = [libc::pid_t::try_from(pid).expect("a process id")];
    let args = CloneArgs {
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        set_tid: wanted.as_ptr().expose_provenance() as u64,
        set_tid_size: 1,
        ..CloneArgs::default()
    };
    // SAFETY: like `fork`; the child makes only async-signal-safe calls on what
    // was made before, and never returns.
    let made = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    if made == 0 {
        prepared.become_helper(&argv);
    }
    assert_eq!(made, i64::from(pid), "clone3: {}", Errno::last());
    let ended = waitpid(Pid::from_raw(wanted[0]), None).expect("wait for the helper");
    assert!(matches!(ended, WaitStatus::Exited(..)), "{ended:?}");
    matches!(ended, WaitStatus::Exited(_, 0))
}

// === impl Prepared ===

impl Prepared {
    fn new(lab: &Lab, cgroup: Option<&Path>, words: &str) -> Self {
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        let netns = std::fs::File::open(lab.host.path()).expect("open the namespace");
        let program = binaries::lab_agent();
        let words = words.split_whitespace().map(|word| CString::new(word).expect("no NUL"));
        Self {
            netns: netns.into(),
            procs: cgroup.map(|path| text(&path.join("cgroup.procs"))),
            words: std::iter::once(text(&program)).chain(words).collect(),
            program: text(&program),
        }
    }

    fn become_helper(&self, argv: &[*const libc::c_char]) -> ! {
        // SAFETY: system calls on strings and descriptors that outlive them.
        unsafe {
            let mut ok = libc::setns(self.netns.as_raw_fd(), libc::CLONE_NEWNET) == 0;
            if let Some(procs) = &self.procs {
                let fd = libc::open(procs.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                ok &= fd >= 0 && libc::write(fd, c"0".as_ptr().cast(), 1) == 1;
                if fd >= 0 {
                    drop(OwnedFd::from_raw_fd(fd));
                }
            }
            if ok {
                libc::execv(self.program.as_ptr(), argv.as_ptr());
            }
            libc::abort()
        }
    }
}
