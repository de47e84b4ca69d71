//! What `enforcer exec` takes away without any LSM program, and what it leaves.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use enforcer_tests::confined::has_scopes;
use enforcer_tests::wait::eventually;
use enforcer_tests::{
    ALLOWED_V4, Agent, BASIC, Daemon, ECHO_PORT, Lab, binaries, cgroup, daemon, privileged, revoker,
};
use serde_json::Value;

/// `AF_PACKET`, `AF_VSOCK`, `AF_ALG`, `AF_RDS`, `AF_SMC`, `AF_TIPC`, `AF_KEY`,
/// `AF_XDP`, `AF_BLUETOOTH`; raw and legacy types; MPTCP, SCTP, UDP-Lite; audit and generic netlink.
const SOCKETS: [&str; 18] = [
    "17 3 768", "17 2 768", "40 1 0", "38 5 0", "21 5 0", "43 1 0", "30 1 0", "15 3 2", "44 3 0",
    "31 3 1", "2 3 255", "2 10 768", "10 3 255", "2 1 262", "2 1 132", "2 2 136", "16 3 9",
    "16 3 16",
];
const CALLS: [&str; 11] = [
    "bpf",
    "io_uring_setup",
    "keyctl",
    "mount",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "process_vm_writev",
    "ptrace-traceme",
    "setns",
    "unshare-user",
];
const UID: u32 = 61_234;

#[test]
fn odd_sockets_and_dangerous_calls_are_refused_to_root_and_to_others() {
    if !privileged("odd_sockets_and_dangerous_calls_are_refused_to_root_and_to_others") {
        return;
    }
    let lab = lab("");
    let _daemon = Daemon::start(&lab);
    for user in [None, Some(UID)] {
        let mut agent = confined(&lab, user);
        for socket in SOCKETS {
            agent.expect_refused(&format!("socket {socket}"));
        }
        for call in CALLS {
            agent.expect_refused(&format!("call {call}"));
        }
        agent.expect_refused("call unshare-net");
        assert_eq!(agent.act("call clone3").errno(), "ENOSYS", "the C library falls back");
        for usual in ["2 1 0", "2 2 17", "10 1 6", "10 2 0", "1 1 0", "1 5 0", "16 3 0"] {
            agent.expect_ok(&format!("socket {usual}"));
        }
        agent.expect_ok(&format!("tcp c {ALLOWED_V4} {ECHO_PORT}"));
    }
}

#[test]
fn what_exec_refuses_is_an_event_as_if_a_program_had_refused_it() {
    if !privileged("what_exec_refuses_is_an_event_as_if_a_program_had_refused_it") {
        return;
    }
    let lab = lab("");
    let mut daemon = Daemon::start(&lab);
    let told = |daemon: &Daemon<'_>| {
        let events = daemon.events().into_iter().filter(|event| event["hook"] == "seccomp");
        events.map(|event| (event["message"].as_str().unwrap_or("").to_owned(), event)).collect()
    };
    let expect = |daemon: &Daemon<'_>, calls: &[&str]| -> Vec<Value> {
        eventually("the refused calls' events", || {
            let events: Vec<(String, Value)> = told(daemon);
            (events.len() == calls.len()).then(|| {
                let names: Vec<_> = events.iter().map(|(name, _)| name.clone()).collect();
                assert_eq!(
                    names,
                    calls.iter().map(|c| format!("system call {c}")).collect::<Vec<_>>()
                );
                events.into_iter().map(|(_, event)| event).collect()
            })
        })
    };
    let mut calls = Vec::new();
    for user in [None, Some(UID)] {
        let mut agent = confined(&lab, user);
        // What libraries try by habit is refused without a word.
        agent.expect_refused("call io_uring_setup");
        agent.expect_refused("call unshare-user");
        for call in ["bpf", "mount", "ptrace-traceme", "setns"] {
            agent.expect_refused(&format!("call {call}"));
        }
        agent.expect_refused("socket 17 3 768");
        calls.extend(["bpf", "mount", "ptrace", "setns", "socket"]);
        let events = expect(&daemon, &calls);
        for event in &events[events.len() - 5..] {
            let is_socket = event["message"] == "system call socket";
            let (kind, reason) =
                if is_socket { ("denied", "socket-type") } else { ("tamper", "tamper") };
            assert_eq!(
                (&event["kind"], &event["reason"]),
                (&kind.into(), &reason.into()),
                "{event}"
            );
            assert_eq!((&event["agent"], &event["verdict"]), (&"worker".into(), &"deny".into()));
            assert_eq!(event["process"]["comm"], "lab-agent", "{event}");
            assert_eq!(event["process"]["uid"], user.unwrap_or(0), "{event}");
        }
    }
    // Without a daemon they are refused all the same, and told of afterwards.
    let mut agent = confined(&lab, None);
    daemon.kill9();
    agent.expect_refused("call bpf");
    daemon.restart();
    agent.expect_refused("call mount");
    assert_eq!(expect(&daemon, &["mount"])[0]["suppressed"], 1);
}

#[test]
fn refused_sockets_do_not_hide_an_attempt_on_the_enforcement() {
    if !privileged("refused_sockets_do_not_hide_an_attempt_on_the_enforcement") {
        return;
    }
    let lab = lab("");
    let daemon = Daemon::start(&lab);
    let mut agent = confined(&lab, None);
    for _ in 0..60 {
        agent.expect_refused("socket 17 3 768");
    }
    agent.expect_refused("call bpf");
    let events = eventually("the attempt to be told of", || {
        let events = daemon.events();
        events.iter().any(|event| event["kind"] == "tamper").then_some(events)
    });
    let tamper: Vec<_> = events.iter().filter(|event| event["kind"] == "tamper").collect();
    let [only] = tamper[..] else { panic!("one attempt, not {tamper:?}") };
    assert_eq!((&only["message"], &only["suppressed"]), (&"system call bpf".into(), &0.into()));
}

#[test]
fn root_under_exec_cannot_change_what_enforces_or_what_others_obey() {
    if !privileged("root_under_exec_cannot_change_what_enforces_or_what_others_obey") {
        return;
    }
    let lab = lab("");
    let _daemon = Daemon::start(&lab);
    let (link, policy) = (a_pin(&lab), lab.path("policies.d/worker.toml"));
    let mut agent = confined(&lab, None);
    let procs = cgroup::mount_point().join("cgroup.procs");
    for path in [&procs, &policy, &lab.config(), Path::new("/etc/passwd")] {
        expect_denied(&mut agent, &format!("open write {}", path.display()));
    }
    expect_denied(&mut agent, &format!("put {} 0", procs.display()));
    for path in
        ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"]
    {
        if Path::new(path).exists() {
            expect_denied(&mut agent, &format!("open write {path}"));
        }
    }
    for path in ["/etc/cron.d", "/var/spool", "/run/systemd", "/usr/bin"].map(Path::new) {
        if path.is_dir() {
            expect_denied(&mut agent, &format!("open create {}/enforcer-lab", path.display()));
        }
    }
    for path in [link, lab.path("control.sock"), policy] {
        expect_denied(&mut agent, &format!("unlink {}", path.display()));
        assert!(path.exists(), "{} is gone", path.display());
    }
}

/// Landlock has no right for modes: a mount of CMD's own does it.
#[test]
fn root_under_exec_opens_nothing_up_for_others() {
    if !privileged("root_under_exec_opens_nothing_up_for_others") {
        return;
    }
    let lab = lab("");
    revoker::equip(&lab, "other", "");
    let _daemon = Daemon::start(&lab);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();
    let mut agent = confined(&lab, None);
    let (procs, policies) = (cgroup::mount_point().join("cgroup.procs"), lab.path("policies.d"));
    let closed = [
        a_pin(&lab),
        procs,
        lab.config(),
        policies.join("worker.toml"),
        policies,
        lab.path("secret"),
        "/etc/passwd".into(),
        "/usr/bin".into(),
    ];
    // A guest has no such folders.
    for path in closed.into_iter().filter(|path| path.exists()) {
        let before = mode(&path);
        expect_denied(&mut agent, &format!("open-up {}", path.display()));
        assert_eq!(mode(&path), before, "{}", path.display());
    }
    // Not by the working folder, which was there before.
    let mut command = command(&lab, None);
    command.arg(lab.path("lab-agent")).current_dir(lab.path("policies.d")).stderr(Stdio::null());
    let mut below = Agent::of(&mut command);
    let before = mode(&lab.path("policies.d/worker.toml"));
    expect_denied(&mut below, "open-up worker.toml");
    assert_eq!(mode(&lab.path("policies.d/worker.toml")), before);
    let own = lab.path("agents/worker/file");
    agent.expect_ok(&format!("open create {}", own.display()));
    agent.expect_ok(&format!("open-up {}", own.display()));
}

/// What the daemon locks is not there for CMD to lock.
#[test]
fn root_under_exec_keeps_no_daemon_from_coming_back() {
    if !privileged("root_under_exec_keeps_no_daemon_from_coming_back") {
        return;
    }
    let lab = lab("");
    let mut daemon = Daemon::start(&lab);
    let mut agent = confined(&lab, None);
    daemon.kill9();
    for folder in [lab.path("state"), lab.bpf_dir(), lab.path("agents")] {
        agent.expect_ok(&format!("lock {}", folder.display()));
    }
    let state = std::fs::read_dir(lab.path("state")).expect("the state");
    let files: Vec<_> = state.flatten().map(|entry| entry.path()).collect();
    assert!(files.len() > 1, "{files:?}");
    for file in files {
        assert_eq!(agent.act(&format!("lock {}", file.display())).errno(), "ENOENT");
    }
    daemon.restart();
    confined(&lab, None).expect_ok("cgroup");
}

#[test]
fn devices_that_send_past_the_hooks_cannot_be_opened() {
    if !privileged("devices_that_send_past_the_hooks_cannot_be_opened") {
        return;
    }
    let lab = lab("");
    let _daemon = Daemon::start(&lab);
    let mut agent = confined(&lab, None);
    for device in ["/dev/net/tun", "/dev/kvm", "/dev/vhost-vsock", "/dev/mem", "/dev/fuse"] {
        if Path::new(device).exists() {
            let answer = agent.act(&format!("open write {device}"));
            assert!(["EACCES", "EPERM"].contains(&answer.errno()), "{device}: {}", answer.0);
        }
    }
    agent.expect_ok("open write /dev/null");
}

#[test]
fn work_folders_stay_writable() {
    if !privileged("work_folders_stay_writable") {
        return;
    }
    let lab = lab("");
    let _daemon = Daemon::start(&lab);
    let work = work();
    let mut agent = confined(&lab, Some(UID));
    let file = work.path().join("file");
    agent.expect_ok(&format!("open create {}", file.display()));
    agent.expect_ok(&format!("put {} text", file.display()));
    agent.expect_ok(&format!("unlink {}", file.display()));
}

#[test]
fn signals_and_abstract_sockets_do_not_reach_outside() {
    if !privileged("signals_and_abstract_sockets_do_not_reach_outside") {
        return;
    }
    let lab = lab("[process]\nunix = [\"@inside\"]\n");
    let daemon = Daemon::start(&lab);
    // In the agents' network namespace, to which the names belong.
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    outside.expect_ok("abstract-listen outside");
    outside.expect_ok("unix stream @outside");
    let mut agent = confined(&lab, None);
    // Landlock's scopes are since Linux 6.12; without them the launcher says so.
    if has_scopes() {
        agent.expect_refused(&format!("signal {}", daemon.pid()));
        agent.expect_refused(&format!("signal {}", std::process::id()));
        agent.expect_refused("unix stream @outside");
    } else {
        let said =
            command(&lab, None).arg("true").stdout(Stdio::null()).output().expect("run exec");
        let stderr = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(stderr.contains("cannot keep CMD from abstract Unix sockets"), "{stderr}");
    }
    agent.expect_ok("abstract-listen inside");
    agent.expect_ok("unix stream @inside");
    let own = agent_pid(&mut agent);
    agent.expect_ok(&format!("signal {own}"));
}

#[test]
fn an_agent_has_a_folder_of_its_own_that_links_do_not_leave() {
    if !privileged("an_agent_has_a_folder_of_its_own_that_links_do_not_leave") {
        return;
    }
    let lab = lab("");
    let _daemon = Daemon::start(&lab);
    let own = lab.path("agents/worker");
    for user in [UID, UID + 1] {
        let mut agent = confined(&lab, Some(user));
        let named = agent.expect_ok("variable XDG_RUNTIME_DIR").0["value"].clone();
        assert_eq!(named, own.display().to_string());
        agent.expect_ok(&format!("unix-listen {}/{user}.sock", own.display()));
        agent.expect_ok(&format!("unix stream {}/{user}.sock", own.display()));
        agent.expect_ok(&format!("symlink /etc/passwd {}/{user}.link", own.display()));
        let through = agent.act(&format!("stat {}/{user}.link", own.display()));
        assert_eq!(through.errno(), "ELOOP", "{}", through.0);
        let mode = own.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }
    let mounts = std::fs::read_to_string("/proc/mounts").expect("mounts");
    let mounted = mounts.lines().filter(|line| line.contains(&own.display().to_string()));
    assert_eq!(mounted.count(), 1, "mounted once for all launches");
    let said = daemon::enforcer(&lab, &["detach", "--yes-stop-enforcing"]).output();
    assert!(!own.exists(), "detach takes it away: {said:?}");
}

#[test]
fn granted_capabilities_are_kept_and_no_others() {
    if !privileged("granted_capabilities_are_kept_and_no_others") {
        return;
    }
    let lab = lab("[process]\ncapabilities = [\"CAP_NET_BIND_SERVICE\"]");
    let _daemon = Daemon::start(&lab);
    for user in [None, Some(UID)] {
        let mut agent = confined(&lab, user);
        let status = agent.expect_ok("status").0["status"].clone();
        for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
            assert_eq!(status[set], "0000000000000400", "{set}");
        }
        assert_eq!(status["Seccomp"], "2");
    }
    std::fs::write(lab.path("policies.d/broken.toml"), "version = 9").expect("break one");
    let said = command(&lab, None).args(["sh", "-c", "grep CapEff /proc/self/status"]).output();
    let said = said.expect("run exec");
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(stderr.contains("CMD gets no capability"), "{stderr}");
    assert!(String::from_utf8_lossy(&said.stdout).ends_with("0000000000000000\n"), "{said:?}");
}

fn lab(more: &str) -> Lab {
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{more}"));
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(lab.path(""), open).expect("let others in");
    lab
}

/// A folder that any user may write, in no folder of the lab.
fn work() -> tempfile::TempDir {
    let work = tempfile::tempdir().expect("a folder");
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(work.path(), open).expect("let others in");
    work
}

/// `enforcer exec --agent worker --`, to be followed by a command.
fn command(lab: &Lab, user: Option<u32>) -> Command {
    let user = user.map(|uid| format!("{uid}:{uid}"));
    let mut words = vec!["exec", "--agent", "worker"];
    words.extend(user.iter().flat_map(|user| ["--user", user]));
    words.push("--");
    daemon::enforcer(lab, &words)
}

fn confined(lab: &Lab, user: Option<u32>) -> Agent {
    let copy = lab.path("lab-agent");
    if !copy.exists() {
        std::fs::copy(binaries::lab_agent(), &copy).expect("copy the helper");
    }
    Agent::of(command(lab, user).arg(copy).stderr(Stdio::null()))
}

/// By Landlock, by BPF LSM where that is asked first, or by a mount that is
/// read-only or has nothing in it.
fn expect_denied(agent: &mut Agent, words: &str) {
    let answer = agent.act(words);
    let denied = ["EACCES", "EPERM", "EROFS", "ENOENT"].contains(&answer.errno());
    assert!(denied, "{words}: {}", answer.0);
}

fn a_pin(lab: &Lab) -> PathBuf {
    let pins = std::fs::read_dir(lab.bpf_dir().join("links")).expect("pins");
    pins.flatten().next().expect("a pinned link").path()
}

fn agent_pid(agent: &mut Agent) -> String {
    let status = agent.expect_ok("status").0["status"].clone();
    status["Pid"].as_str().expect("a pid").to_owned()
}
