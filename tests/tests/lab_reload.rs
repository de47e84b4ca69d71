//! A new generation appears in one step, however it is asked for, and traffic
//! that both allow does not notice.

use std::fs;
use std::os::unix::fs::symlink;

use enforcer_tests::{
    ALLOWED_V4, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, eventually, privileged,
};
use nix::sys::signal::Signal;

const MORE: &str = "[[allow]]\nto = [\"10.99.0.0/16\"]\nports = [\"tcp/443\"]\n";
const FORBIDDEN_TOO: &str = "[[allow]]\nto = [\"10.77.0.3/32\"]\nports = [\"any\"]\n";

#[test]
fn traffic_that_both_generations_allow_passes_whole() {
    if !privileged("traffic_that_both_generations_allow_passes_whole") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let (mut good, mut bad) = (lab.agent("worker"), lab.agent("worker"));
    good.begin(&format!("flood unconnected {ALLOWED_V4} {SINK_PORT} 5000 4 1 4 64"));
    bad.begin(&format!("flood unconnected {FORBIDDEN_V4} {SINK_PORT} 5000 4 1 4 64"));
    for round in 0..30 {
        let more = if round % 2 == 0 { MORE } else { "" };
        lab.write_policy("worker", &format!("{more}{BASIC}"));
        daemon.ok(&["reload"]);
    }
    let (good, bad) = (good.finish(), bad.finish());
    assert_eq!(good.number("sent"), good.number("attempts"), "{}", good.0);
    assert_eq!(bad.errors("EPERM"), bad.number("attempts"), "{}", bad.0);
    assert_eq!(lab.peer.packets().len() as u64, good.number("attempts"));
}

#[test]
fn a_changed_file_and_a_hangup_are_orders_to_reload() {
    if !privileged("a_changed_file_and_a_hangup_are_orders_to_reload") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let reach = format!("udp connected {FORBIDDEN_V4} {SINK_PORT} 1");
    agent.expect_refused(&reach);
    lab.write_policy("worker", &format!("{BASIC}{FORBIDDEN_TOO}"));
    eventually("the changed file to be in force", || agent.act(&reach).ok().then_some(()));
    lab.write_policy("worker", BASIC);
    daemon.signal(Signal::SIGHUP);
    eventually("the old rules again", || (!agent.act(&reach).ok()).then_some(()));
}

#[test]
fn a_replaced_folder_and_a_file_behind_a_link_are_noticed() {
    if !privileged("a_replaced_folder_and_a_file_behind_a_link_are_noticed") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let reach = format!("udp connected {FORBIDDEN_V4} {SINK_PORT} 1");
    agent.expect_refused(&reach);
    let [folder, old] = ["policies.d", "old"].map(|name| lab.path(name));
    let basic = fs::read(folder.join("worker.toml")).expect("read");
    for _ in 0..2 {
        fs::rename(&folder, &old).expect("moved");
        let gone = || daemon.json(&["status"])["reload_error"].is_string().then_some(());
        eventually("a folder that is gone to be told", gone);
        fs::create_dir(&folder).expect("made");
        lab.write_policy("worker", &format!("{BASIC}{FORBIDDEN_TOO}"));
        eventually("the new folder to be in force", || agent.act(&reach).ok().then_some(()));
        fs::rename(folder.join("worker.toml"), lab.path("target.toml")).expect("moved");
        symlink("../target.toml", folder.join("worker.toml")).expect("linked");
        fs::write(lab.path("target.toml"), &basic).expect("written");
        let refused = || (!agent.act(&reach).ok()).then_some(());
        eventually("the link's new target to be in force", refused);
        fs::remove_dir_all(&old).expect("removed");
    }
}

#[test]
fn what_a_new_policy_no_longer_allows_ends_on_open_sockets() {
    if !privileged("what_a_new_policy_no_longer_allows_ends_on_open_sockets") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_ok("write c 1000");
    eventually("the first bytes", || (lab.peer.tcp_bytes(SINK_PORT) == 1000).then_some(()));
    lab.write_policy("worker", MORE);
    daemon.ok(&["reload"]);
    let before = lab.peer.packets().len();
    let _hidden_by_tcp = agent.act("write c 1000");
    assert_eq!(lab.peer.packets().len(), before);
    assert_eq!(lab.peer.tcp_bytes(SINK_PORT), 1000);
}

#[test]
fn an_agent_whose_policy_is_gone_is_denied() {
    if !privileged("an_agent_whose_policy_is_gone_is_denied") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab.write_policy("other", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let reach = format!("udp connected {ALLOWED_V4} {SINK_PORT} 1");
    agent.expect_ok(&reach);
    std::fs::remove_file(lab.path("policies.d/worker.toml")).expect("remove the policy");
    daemon.ok(&["reload"]);
    agent.expect_refused(&reach);
    lab.agent("other").expect_ok(&reach);
}
