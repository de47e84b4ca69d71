//! The enforcement itself, processes outside and privileges: the security hooks
//! refuse.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;

use enforcer_common::{Hook, Reason};
use enforcer_tests::layer::{EVERY_HOOK, event_of, has_lsm, needs_lsm};
use enforcer_tests::{
    Agent, BASIC, Daemon, Lab, binaries, cgroup, eventually, pins, privileged, revoker,
};
use nix::errno::Errno;

/// `CLONE_NEWNET` and `CLONE_NEWUSER` of `include/uapi/linux/sched.h`.
const NEWNET: u32 = 0x4000_0000;
const NEWUSER: u32 = 0x1000_0000;
/// Of `include/uapi/linux/capability.h`.
const CAP_SYS_ADMIN: libc::c_ulong = 21;

#[test]
fn processes_outside_can_be_neither_signalled_nor_traced() {
    const TEST: &str = "processes_outside_can_be_neither_signalled_nor_traced";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let (mut agent, sibling) = (lab.agent("worker"), lab.agent("worker"));
    // The daemon's memory is nobody's to trace, so a privilege is asked for first.
    let outsider = Agent::of(&mut lab.command(binaries::lab_agent()));
    for outside in [daemon.pid(), outsider.pid()] {
        for words in ["kill {} 9", "kill {} 19", "ptrace {}", "take {} 0"] {
            agent.expect_refused(&words.replace("{}", &outside.to_string()));
        }
        agent.expect_ok(&format!("kill {outside} 0"));
    }
    agent.expect_ok(&format!("take {} 0", sibling.pid()));
    agent.expect_ok(&format!("kill {} 18", sibling.pid()));
    for hook in [Hook::TaskKill, Hook::PtraceAccessCheck] {
        assert_eq!(event_of(&daemon, hook, Reason::Tamper)["kind"], "tamper");
    }
    assert_eq!(daemon.json(&["status"])["ready"], true);
}

/// Without a signal of the agent's: limits, priorities, files of `/proc`, and
/// signals that the kernel sends as news of a descriptor.
#[test]
fn processes_outside_can_be_neither_starved_nor_ended_by_the_kernel() {
    const TEST: &str = "processes_outside_can_be_neither_starved_nor_ended_by_the_kernel";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let (mut agent, sibling) = (lab.agent("worker"), lab.agent("worker"));
    let outsider = Agent::of(&mut lab.command(binaries::lab_agent()));
    let starving = ["limit", "nice", "affinity", "ioprio"];
    for outside in [daemon.pid(), outsider.pid()] {
        for what in starving {
            agent.expect_refused(&format!("starve {what} {outside}"));
        }
        for how in ["fcntl", "struct", "ioctl", "ioctl-socket"] {
            agent.expect_refused(&format!("signal-by-descriptor {how} {outside} 9"));
        }
        agent.expect_refused(&format!("put /proc/{outside}/oom_score_adj 1000"));
    }
    agent.expect_refused("put /proc/sysrq-trigger h");
    for what in starving {
        agent.expect_ok(&format!("starve {what} {}", sibling.pid()));
    }
    agent.expect_ok(&format!("signal-by-descriptor fcntl {} 18", agent.pid()));
    agent.expect_ok("put /proc/self/oom_score_adj 500");
    agent.expect_ok(&format!("put /proc/{}/oom_score_adj 500", sibling.pid()));
    for hook in [Hook::TaskLimit, Hook::FileControl, Hook::InodePermission] {
        assert_eq!(event_of(&daemon, hook, Reason::Tamper)["kind"], "tamper");
    }
    let setting = event_of(&daemon, Hook::InodePermission, Reason::KernelSetting);
    assert_eq!(setting["kind"], "denied");
    // Four by limits, four by signals and one by a file, for each of the two.
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Tamper).sockets, 18);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::KernelSetting).sockets, 1);
    assert_eq!(daemon.json(&["status"])["ready"], true);
}

#[test]
fn no_agent_uses_a_privilege_even_if_it_has_it() {
    const TEST: &str = "no_agent_uses_a_privilege_even_if_it_has_it";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let mut agent = lab.agent("worker");
    agent.expect_refused(&format!("unshare {NEWNET}"));
    agent.expect_refused(&format!("unshare {NEWUSER}"));
    agent.expect_refused("request-key");
    for hook in [Hook::Capable, Hook::UsernsCreate, Hook::KeyAlloc] {
        assert_eq!(event_of(&daemon, hook, Reason::Privilege)["kind"], "denied");
    }
}

/// By fmod_ret the program is asked before the kernel's own check.
#[test]
fn a_privilege_that_an_agent_does_not_have_is_no_violation() {
    if !privileged("a_privilege_that_an_agent_does_not_have_is_no_violation") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let mut command = lab.command(binaries::lab_agent());
    cgroup::put(&mut command, &lab.cgroup("worker"));
    // SAFETY: one system call that takes numbers.
    unsafe {
        command.pre_exec(|| {
            Errno::result(libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0))?;
            Ok(())
        });
    }
    Agent::of(&mut command).expect_refused(&format!("unshare {NEWNET}"));
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Privilege).sockets, 0);
}

#[test]
fn status_and_doctor_say_by_which_means_the_hooks_hold() {
    if !privileged("status_and_doctor_say_by_which_means_the_hooks_hold") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab);
    let status = daemon.json(&["status"])["lsm"].as_str().unwrap_or_default().to_owned();
    let checks = daemon.json(&["doctor"])["checks"].clone();
    let checks = checks.as_array().expect("a list");
    let hooks = checks.iter().find(|check| check["name"] == "security hooks").expect("the check");
    let found = hooks["found"].as_str().unwrap_or_default();
    let modules = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if !has_lsm(&daemon) {
        assert!(found.starts_with("none: BPF LSM: ") && found.contains("fmod_ret: "), "{found}");
        assert!(status.contains(found.trim_start_matches("none: ")), "{status} / {found}");
    } else if modules.split(',').any(|name| name.trim() == "bpf") {
        assert_eq!(status, format!("{EVERY_HOOK} by BPF LSM"));
        assert_eq!(found, status);
    } else {
        // A call may have gone by unjudged.
        assert_eq!(found, format!("{EVERY_HOOK} by fmod_ret"));
        assert!(status.starts_with(found), "{status}");
    }
}

/// Not by an agent that is root, whatever the files' modes.
#[test]
fn the_enforcers_own_files_are_nobody_elses_to_write() {
    const TEST: &str = "the_enforcers_own_files_are_nobody_elses_to_write";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    revoker::equip(&lab, "other", "");
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let mut agent = lab.agent("worker");
    let policy = lab.path("policies.d/worker.toml");
    let before = std::fs::read(&policy).expect("read");
    // A file that came later is kept as well, a moment after it was written.
    let later = lab.path("policies.d/later.toml");
    std::fs::write(&later, "").expect("written");
    let refused = |agent: &mut Agent| {
        let answer = agent.act(&format!("open write {}", later.display()));
        (answer.errno() == "EPERM").then_some(())
    };
    eventually("the new file to be kept", || refused(&mut agent));
    for path in [&policy, &lab.config(), &lab.path("secret")] {
        agent.expect_refused(&format!("open write {}", path.display()));
        agent.expect_refused(&format!("unlink {}", path.display()));
        agent.expect_refused(&format!("change rename {}", path.display()));
    }
    for folder in ["policies.d", "credentials.d", "state"] {
        agent.expect_refused(&format!("open create {}/mine.toml", lab.path(folder).display()));
        agent.expect_refused(&format!("change rename {}", lab.path(folder).display()));
    }
    assert_eq!(std::fs::read(&policy).expect("read"), before);
    assert_eq!(event_of(&daemon, Hook::InodePermission, Reason::Tamper)["kind"], "tamper");
    assert_eq!(event_of(&daemon, Hook::InodeUnlink, Reason::Tamper)["kind"], "tamper");
    agent.expect_ok(&format!("open create {}", lab.path("else").display()));
}

#[test]
fn the_enforcement_cannot_be_written_to() {
    const TEST: &str = "the_enforcement_cannot_be_written_to";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let procs = cgroup::mount_point().join("cgroup.procs");
    let opened = File::options().write(true).open(&procs).expect("open the root's processes");
    let own = lab.cgroup("worker");
    let mut agent = Agent::with_descriptors(&lab, &own, &[opened.as_fd()]);
    // `BPF_OBJ_GET`: to make maps or programs takes a privilege, refused before.
    agent.expect_refused("bpf 7");
    agent.expect_refused(&format!("put {} 0", procs.display()));
    agent.expect_refused("write-fd 10 0");
    agent.expect_refused(&format!("change mkdir {}/below", own.display()));
    let pin = lab.bpf_dir().join("links/egress_skb");
    for how in ["unlink", "rename", "mount", "umount"] {
        let on = if how.ends_with("mount") { lab.bpf_dir() } else { pin.clone() };
        agent.expect_refused(&format!("change {how} {}", on.display()));
    }
    for (hook, reason) in [
        (Hook::Bpf, Reason::Tamper),
        (Hook::Mount, Reason::Tamper),
        (Hook::InodePermission, Reason::Tamper),
        (Hook::InodePermission, Reason::Escape),
    ] {
        assert_eq!(event_of(&daemon, hook, reason)["kind"], "tamper");
    }
    assert!(pin.exists());
    assert_eq!(daemon.json(&["status"])["ready"], true);
}

#[test]
fn a_hook_that_is_lost_is_noticed_and_put_back_by_the_next_daemon() {
    const TEST: &str = "a_hook_that_is_lost_is_noticed_and_put_back_by_the_next_daemon";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let pin = lab.bpf_dir().join("links/lsm_capable");
    std::fs::remove_file(&pin).expect("remove a pin");
    eventually("not to be ready", || (daemon.http("/readyz").0 != 200).then_some(()));
    daemon.kill9();
    daemon.restart();
    assert!(pin.exists());
    lab.agent("worker").expect_refused(&format!("unshare {NEWNET}"));
    daemon.ok(&["detach", "--yes-stop-enforcing"]);
    // They go with the daemon, which holds them a moment longer than its pins.
    let free = || lab.agent("worker").act(&format!("unshare {NEWNET}")).ok().then_some(());
    eventually("the hooks to be gone", free);
}
