//! Leaving the enforced root: refused where the security hooks hold, and the end
//! of the process elsewhere.

use std::os::unix::process::ExitStatusExt;

use enforcer_common::{AgentState, Hook, Reason};
use enforcer_tests::layer::{event_of, has_lsm};
use enforcer_tests::{BASIC, Daemon, Lab, cgroup, eventually, pins, privileged, skip};

#[test]
fn a_process_that_moves_out_is_stopped_before_it_runs_on() {
    if !privileged("a_process_that_moves_out_is_stopped_before_it_runs_on") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let words = format!("put {}/cgroup.procs 0", cgroup::mount_point().display());
    if has_lsm(&daemon) {
        return agent.expect_refused(&words);
    }
    agent.begin(&words);
    let end = eventually("the agent's end", || agent.ended());
    assert_eq!(end.signal(), Some(libc::SIGKILL));
    assert_eq!(event_of(&daemon, Hook::CgroupAttachTask, Reason::Escape)["kind"], "tamper");
    assert_ne!(pins::state(&lab, "worker").quarantine, AgentState::FREE);
}

#[test]
fn a_child_that_starts_outside_never_runs() {
    const TEST: &str = "a_child_that_starts_outside_never_runs";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let (root, marker) = (cgroup::mount_point(), lab.path("it-ran"));
    let mut agent = lab.agent("worker");
    let words = format!("clone-into {} {}", root.display(), marker.display());
    if has_lsm(&daemon) {
        agent.expect_refused(&words);
    } else if daemon.json(&["status"])["escape_watch"] == "on" {
        assert_eq!(agent.expect_ok(&words).0["killed"], true);
        assert_eq!(event_of(&daemon, Hook::TaskNewtask, Reason::Escape)["kind"], "tamper");
        assert_ne!(pins::state(&lab, "worker").quarantine, AgentState::FREE);
    } else {
        return skip(TEST, "this kernel cannot signal another process from a program");
    }
    assert!(!marker.exists(), "the child ran");
}
