//! Starts that were cut short, and pins that another daemon has left: what is
//! enforced stays, and what is missing is made.

use std::fs;
use std::path::PathBuf;

use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER};
use enforcer_tests::{Daemon, Lab, Random, Traffic, pins, privileged};

/// Exit code: the host cannot enforce as asked.
const HOST: i32 = 3;

#[test]
fn a_first_start_that_was_cut_short_is_followed_by_one_that_works() {
    if !privileged("a_first_start_that_was_cut_short_is_followed_by_one_that_works") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    let mut random = Random::of_test();
    let mut daemon = Daemon::start(&lab);
    for _ in 0..3 {
        daemon.kill9();
        leave_some_pins(&lab, &mut random);
        daemon.restart();
        let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
        traffic.more(&lab, 20);
        traffic.end();
    }
    assert_eq!(enforcer_tests::traffic::arrived(&lab, NEVER), 0);
}

/// As a first start leaves it that is killed while it makes the maps: no link
/// yet, and of the maps only some, the control block among them.
fn leave_some_pins(lab: &Lab, random: &mut Random) {
    let of = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(lab.bpf_dir().join(folder)).expect("list the pins");
        entries.flatten().map(|entry| entry.path()).collect()
    };
    let (mut maps, links) = (of("maps"), of("links"));
    maps.retain(|map| !map.ends_with("CONTROL") && random.one_in(2));
    assert!(!maps.is_empty(), "some maps are missing");
    for pin in maps.iter().chain(&links).chain(&of("links-kept")) {
        fs::remove_file(pin).expect("remove a pin");
    }
}

#[test]
fn pins_of_another_layout_are_refused_and_go_on_enforcing() {
    if !privileged("pins_of_another_layout_are_refused_and_go_on_enforcing") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    let mut daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    daemon.kill9();
    let ours = pins::control(&lab).expect("pinned");
    pins::set_control(&lab, enforcer_common::Control { abi: ours.abi + 1, ..ours });
    daemon.spawn();
    assert_eq!(daemon.wait_end(), Some(HOST), "{}", daemon.log());
    let log = daemon.log();
    let version = format!("layout version {}, this binary uses {}", ours.abi + 1, ours.abi);
    assert!(log.contains(&version) && log.contains("goes on enforcing"), "{log}");
    traffic.more(&lab, 50);
    pins::set_control(&lab, ours);
    daemon.restart();
    traffic.more(&lab, 50);
    traffic.settle(&lab);
}

#[test]
fn another_root_is_refused_and_the_old_one_stays_enforced() {
    if !privileged("another_root_is_refused_and_the_old_one_stays_enforced") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    let mut daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    daemon.kill9();
    let config = fs::read_to_string(lab.config()).expect("the lab's settings");
    let (root, before) = (lab.root(), pins::control(&lab));
    let elsewhere =
        config.replace(&format!("root = \"{root}\""), &format!("root = \"{root}/deeper/still\""));
    fs::write(lab.config(), elsewhere).expect("another root");
    daemon.spawn();
    assert_eq!(daemon.wait_end(), Some(HOST), "{}", daemon.log());
    assert!(daemon.log().contains("attached to another cgroup"), "{}", daemon.log());
    assert_eq!(pins::control(&lab), before, "nothing was changed");
    let mut late = lab.agent("worker");
    let (address, port) = ALWAYS;
    assert_eq!(late.act(&format!("udp unconnected {address} {port} 1")).number("sent"), 1);
    fs::write(lab.config(), config).expect("the old root");
    daemon.restart();
    let before = enforcer_tests::traffic::arrived(&lab, ALWAYS);
    assert!(before > 1);
    let sent = traffic.end();
    assert_eq!((sent[0].refused, sent[1].sent), (0, 0), "{sent:?}");
    assert_eq!(enforcer_tests::traffic::arrived(&lab, ALWAYS), sent[0].sent + 1);
}
