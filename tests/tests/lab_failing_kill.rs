//! The daemon is killed, at random moments of its start and of a reload, while
//! traffic flows. One generation or the other is in force, never a mixture.

use std::time::{Duration, Instant};

use enforcer_common::Reason;
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER, SOMETIMES};
use enforcer_tests::{
    ALLOWED_V4, Agent, Daemon, ECHO_PORT, Lab, OTHER_PORT, Random, Traffic, eventually, pins,
    privileged,
};
use nix::sys::signal::Signal;

/// How long a reload of one policy takes at most, on a slow machine.
const RELOAD_US: usize = 60_000;
/// Only generation A allows the first and [`SOMETIMES`], only B the second.
const ONLY: [u16; 2] = [OTHER_PORT, ECHO_PORT];

#[test]
fn a_daemon_killed_at_any_moment_leaves_one_generation_whole() {
    if !privileged("a_daemon_killed_at_any_moment_leaves_one_generation_whole") {
        return;
    }
    let lab = Lab::new();
    let mut random = Random::of_test();
    write(&lab, 0);
    let mut daemon = Daemon::new(&lab);
    let start = Instant::now();
    daemon.spawn();
    daemon.wait_ready();
    let start_us = usize::try_from(start.elapsed().as_micros()).expect("a short time");
    daemon.kill9();
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER, SOMETIMES]);
    let mut probe = lab.agent("worker");
    let mut seen = [0, 0];
    for round in 0..rounds() {
        if random.one_in(2) {
            write(&lab, round % 2);
            daemon.spawn();
            pause(random.below(start_us + start_us / 4));
        } else {
            reload_and_wait(&lab, &mut daemon, round % 2);
            pause(random.below(RELOAD_US));
        }
        daemon.kill9();
        seen[in_force(&mut probe, round)] += 1;
    }
    println!("rounds that ended in generation A and B: {seen:?}");
    daemon.restart();
    daemon.ok(&["audit", "verify"]);
    let sent = traffic.settle(&lab);
    let denied = pins::counter(&lab, Some("worker"), Reason::NoRule).packets;
    assert_eq!(denied, sent[1].refused + sent[2].refused, "{sent:?}");
    let probes = lab.peer.packets_to(ALLOWED_V4);
    let probes = probes.iter().filter(|packet| ONLY.contains(&packet.dport)).count();
    assert_eq!(probes, rounds(), "one of two arrives in each round");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// A minute's worth, or fewer where the processor is emulated.
fn rounds() -> usize {
    if std::env::var_os("ENFORCER_GUEST").is_some() { 15 } else { 100 }
}

fn write(lab: &Lab, which: usize) {
    let only = ONLY[which];
    let own = format!("[[allow]]\nto = [\"10.77.0.2/32\"]\nports = [\"udp/{only}\"]\n");
    let sometimes = "[[allow]]\nto = [\"fd77::2/128\"]\nports = [\"udp/5001\"]\n";
    let more = if which == 0 { sometimes } else { "" };
    lab.write_policy("worker", &format!("{ALLOW_ALWAYS}{own}{more}"));
}

/// Starts the daemon, waits until its first generation is in force, and orders
/// the other one. A hangup before it listens kills it: that is a moment too.
fn reload_and_wait(lab: &Lab, daemon: &mut Daemon<'_>, which: usize) {
    let generation = || pins::control(lab).map(|control| control.generation);
    let before = generation();
    write(lab, 1 - which);
    daemon.spawn();
    eventually("the first generation", || (generation() != before).then_some(()));
    write(lab, which);
    daemon.signal(Signal::SIGHUP);
}

/// A moment by chance, which is what is tested; nothing waits for it.
fn pause(us: usize) {
    std::thread::sleep(Duration::from_micros(us as u64));
}

/// The generation that the agent meets: exactly one of the two destinations is
/// allowed.
fn in_force(probe: &mut Agent, round: usize) -> usize {
    let reach = |probe: &mut Agent, port| {
        probe.expect_ok(&format!("udp unconnected {ALLOWED_V4} {port} 1")).number("sent")
    };
    let reached = ONLY.map(|port| reach(probe, port));
    assert_eq!(reached[0] + reached[1], 1, "a mixture in round {round}: {reached:?}");
    usize::from(reached[1] == 1)
}
