//! The launcher with real cgroups, users and descriptors. As root only.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::fence::Fence;
use super::image::Image;
use super::lab::{Lab, cgroup2, confinement, nobody};
use super::launch::{LaunchError, launch};
use super::steps::CapabilitySet;
use crate::config::Settings;

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
fn root_in_the_domain_writes_where_work_is_and_nowhere_else() {
    let Some(mut lab) = Lab::new("domain") else { return };
    let fence = Fence::new(&Settings::default(), Path::new("/etc/enforcer/enforcer.toml"), None);
    let fence = fence.expect("a domain");
    if fence.ruleset.is_none() {
        assert!(fence.warnings.iter().any(|text| text.contains("cannot keep CMD from cgroups")));
        return;
    }
    lab.ruleset = fence.ruleset;
    let procs = cgroup2().join("cgroup.procs");
    let script = format!(
        "try() {{ (eval \"$1\") 2>/dev/null && echo \"$1\" >> $OUT; }}\n\
         try ': >> {procs}'; try ': >> /etc/passwd'; try ': > /etc/enforcer-test'\n\
         try ': >> /proc/sys/kernel/core_pattern'; try ': > $OUT.work'; try ': > /dev/null'; true",
        procs = procs.display()
    );
    assert_eq!(lab.ask(&script, None), ": > $OUT.work\n: > /dev/null\n");
    let signalled = lab.ask("kill -0 1 2>/dev/null && echo reached > $OUT; true", None);
    let scoped = !fence.warnings.iter().any(|text| text.contains("signals"));
    assert_eq!(signalled.is_empty(), scoped);
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
