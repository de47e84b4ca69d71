//! `enforcer exec`: the process is an agent before its first instruction.

use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use enforcer_tests::{
    ALLOWED_V4, Agent, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, binaries, daemon, eventually,
    privileged,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn a_process_under_exec_is_its_agent_and_has_nothing_more() {
    if !privileged("a_process_under_exec_is_its_agent_and_has_nothing_more") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let leak = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket to inherit");
    let mut command = exec(&lab, &[]);
    leave_open(&mut command, leak.as_raw_fd());
    let mut agent = Agent::of(&mut command);
    let cgroup = agent.expect_ok("cgroup").0["cgroup"].as_str().unwrap_or_default().to_owned();
    assert!(cgroup.starts_with(&format!("/{}/worker", lab.root())), "{cgroup}");
    let status = agent.expect_ok("status").0["status"].clone();
    assert_eq!(status["NoNewPrivs"], "1");
    for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    let open = agent.expect_ok("fds").0["fds"].clone();
    let numbers: Vec<&String> = open.as_object().expect("a table").keys().collect();
    assert_eq!(numbers, ["0", "1", "2"], "{open}");
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} {SINK_PORT}"));
    agent.expect_refused("raw");
}

#[test]
fn another_user_may_be_named() {
    if !privileged("another_user_may_be_named") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let words = ["exec", "--agent", "worker", "--user", "61234:61235", "--"];
    let mut command = daemon::enforcer(&lab, &words);
    let mut agent = Agent::of(command.arg(reachable_helper(&lab)));
    let status = agent.expect_ok("status").0["status"].clone();
    let four = |id: &str| [id; 4].join("\t");
    assert_eq!((&status["Uid"], &status["Gid"]), (&four("61234").into(), &four("61235").into()));
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} {SINK_PORT}"));
}

#[test]
fn the_exit_code_is_the_commands() {
    if !privileged("the_exit_code_is_the_commands") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    for (words, code) in [(["exit", "0"], 0), (["exit", "7"], 7), (["kill-self", "SIGTERM"], 143)] {
        let status = exec(&lab, &words).stdout(Stdio::null()).status().expect("run exec");
        assert_eq!(status.code(), Some(code), "{words:?}: {status:?}");
    }
    let missing = daemon::enforcer(&lab, &["exec", "--agent", "worker", "--", "/no/such/program"]);
    assert_eq!(code_of(missing), Some(127));
    let mut unknown = daemon::enforcer(&lab, &["exec", "--agent", "workers", "--", "true"]);
    let said = unknown.output().expect("run exec");
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(2), "nobody knows this agent: {stderr}");
    assert!(stderr.contains("did you mean `worker`?"), "{stderr}");
}

#[test]
fn signals_are_passed_on() {
    if !privileged("signals_are_passed_on") {
        return;
    }
    let lab = lab();
    let _daemon = Daemon::start(&lab);
    let mut child = exec(&lab, &["sleep", "600"]).stdout(Stdio::null()).spawn().expect("start");
    let procs = lab.cgroup("worker").join("cgroup.procs");
    eventually("the command to run", || {
        let text = std::fs::read_to_string(&procs).ok()?;
        text.lines().any(|pid| comm(pid) == "lab-agent").then_some(())
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("signal the launcher");
    let status = eventually("the launcher to end", || child.try_wait().expect("wait"));
    assert!(status.code() == Some(143) || status.signal() == Some(15), "{status:?}");
    eventually("the cgroup to be empty", || {
        std::fs::read_to_string(&procs).ok().filter(String::is_empty)
    });
}

#[test]
fn exec_works_while_the_daemon_is_dead() {
    if !privileged("exec_works_while_the_daemon_is_dead") {
        return;
    }
    let lab = lab();
    let mut daemon = Daemon::start(&lab);
    daemon.kill9();
    let mut agent = Agent::of(&mut exec(&lab, &[]));
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} {SINK_PORT}"));
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab
}

/// `enforcer exec --agent worker -- lab-agent …`.
fn exec(lab: &Lab, words: &[&str]) -> Command {
    let mut command = daemon::enforcer(lab, &["exec", "--agent", "worker", "--"]);
    command.arg(binaries::lab_agent()).args(words);
    command
}

/// A copy of the helper where any user may run it.
fn reachable_helper(lab: &Lab) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = lab.path("lab-agent");
    std::fs::copy(binaries::lab_agent(), &copy).expect("copy the helper");
    for (path, mode) in [(lab.path(""), 0o755), (copy.clone(), 0o755)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("let others in");
    }
    copy
}

fn code_of(mut command: Command) -> Option<i32> {
    command.stderr(Stdio::null()).status().expect("run enforcer").code()
}

fn comm(pid: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    text.trim().to_owned()
}

/// Hands a socket on as a careless caller would: not close-on-exec.
fn leave_open(command: &mut Command, fd: i32) {
    // SAFETY: `dup2` is async-signal-safe; the descriptor lives in the parent.
    unsafe {
        command.pre_exec(move || match libc::dup2(fd, 77) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}
