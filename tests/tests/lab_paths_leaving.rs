//! Ways out of the cgroup besides its own files: a descriptor opened earlier,
//! another mount, a sibling. Refused by BPF LSM and under `enforcer exec`;
//! without them whoever has left is killed before it runs on.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;

use enforcer_common::{AgentState, Hook, Reason};
use enforcer_tests::confined::{self, expect_closed};
use enforcer_tests::layer::{event_of, has_lsm};
use enforcer_tests::{
    Agent, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, cgroup, eventually, pins, privileged,
};

#[test]
fn a_descriptor_opened_earlier_leads_nowhere() {
    if !privileged("a_descriptor_opened_earlier_leads_nowhere") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let procs = cgroup::mount_point().join("cgroup.procs");
    let opened = File::options().write(true).open(procs).expect("open the root's processes");
    let agent = Agent::with_descriptors(&lab, &lab.cgroup("worker"), &[opened.as_fd()]);
    expect_no_way(&lab, &daemon, agent, "write-fd 10 0");
    assert_eq!(confined::agent(&lab).act("write-fd 10 0").errno(), "EBADF");
}

#[test]
fn another_mount_of_the_cgroups_leads_nowhere() {
    if !privileged("another_mount_of_the_cgroups_leads_nowhere") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let folder = lab.path("second");
    std::fs::create_dir(&folder).expect("made");
    let folder = folder.display();
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        // The older kind too: its `release_agent` is a program run outside.
        for kind in ["cgroup2", "cgroup", "tmpfs"] {
            expect_closed(layer, &mut agent, &format!("mount-own {kind} {folder}"));
        }
    }
    if has_lsm(&daemon) {
        return;
    }
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("mount-own cgroup2 {folder}"));
    expect_no_way(&lab, &daemon, agent, &format!("put {folder}/cgroup.procs 0"));
}

#[test]
fn a_sibling_of_the_enforced_root_is_no_refuge() {
    if !privileged("a_sibling_of_the_enforced_root_is_no_refuge") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let sibling = cgroup::Scoped::new(&format!("{}-sibling", lab.root()));
    let words = format!("put {}/cgroup.procs 0", sibling.0.display());
    expect_closed("exec", &mut confined::agent(&lab), &words);
    expect_no_way(&lab, &daemon, lab.agent("worker"), &words);
}

/// What is denied to one agent may be allowed to its neighbour.
#[test]
fn the_cgroup_of_another_agent_is_no_refuge() {
    if !privileged("the_cgroup_of_another_agent_is_no_refuge") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("other", &BASIC.replace("10.77.0.2/32", "10.77.0.0/24"));
    let daemon = Daemon::start(&lab);
    let other = lab.cgroup("other");
    lab.agent("other").expect_ok(&format!("tcp c {FORBIDDEN_V4} {SINK_PORT}"));
    let words = format!("put {}/cgroup.procs 0", other.display());
    expect_closed("exec", &mut confined::agent(&lab), &words);
    let mut nested = lab.agent("worker");
    if !has_lsm(&daemon) {
        // Within its own it may go where it likes.
        nested.expect_ok(&format!("put {}/cgroup.procs 0", lab.cgroup("worker/below").display()));
    }
    expect_no_way(&lab, &daemon, nested, &words);
    if daemon.json(&["status"])["escape_watch"] == "on" && !has_lsm(&daemon) {
        let marker = lab.path("it-ran");
        let clone = format!("clone-into {} {}", other.display(), marker.display());
        assert_eq!(lab.agent("worker").expect_ok(&clone).0["killed"], true);
        assert!(!marker.exists(), "the child ran as another agent");
    }
}

/// Refused by BPF LSM; the agent's end, and its quarantine, elsewhere.
#[track_caller]
fn expect_no_way(lab: &Lab, daemon: &Daemon<'_>, mut agent: Agent, words: &str) {
    if has_lsm(daemon) {
        return agent.expect_refused(words);
    }
    agent.begin(words);
    let end = eventually("the agent's end", || agent.ended());
    assert_eq!(end.signal(), Some(libc::SIGKILL), "{words}");
    assert_eq!(event_of(daemon, Hook::CgroupAttachTask, Reason::Escape)["kind"], "tamper");
    assert_ne!(pins::state(lab, "worker").quarantine, AgentState::FREE);
}
