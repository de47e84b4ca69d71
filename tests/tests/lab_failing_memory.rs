//! Memory runs out: for the daemon, whose maps are charged to it, and for an
//! agent. Denied stays denied.

use std::fmt::Write;

use enforcer_common::Reason;
use enforcer_tests::memory::Memory;
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER, arrived};
use enforcer_tests::{Agent, Daemon, Lab, Traffic, binaries, eventually, pins, privileged, skip};
use nix::sys::signal::Signal;

/// Left to the daemon, in bytes: not enough for a policy of this many prefixes.
const LEFT: u64 = 256 << 10;
const PREFIXES: usize = 20_000;
/// Sockets of a storm, and what is left to their maker: not enough for them.
const SOCKETS: u64 = 900;
const LEFT_TO_AGENT: u64 = 256 << 10;

#[test]
fn a_daemon_without_memory_opens_nothing() {
    let test = "a_daemon_without_memory_opens_nothing";
    if !privileged(test) {
        return;
    }
    let Some(memory) = Memory::new() else { return skip(test, "no memory controller") };
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    lab.write_policy("storm", ALLOW_ALWAYS);
    let mut daemon = Daemon::new(&lab);
    daemon.spawn_as(|command| memory.put(command));
    daemon.wait_ready();
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    let before = memory.failures();
    memory.squeeze(LEFT);
    lab.write_policy("worker", &format!("{ALLOW_ALWAYS}{}", many()));
    daemon.signal(Signal::SIGHUP);
    eventually("memory to run out", || (memory.failures() > before).then_some(()));
    // Their tags are charged to the daemon's memory as well.
    let mut storm = lab.agent("storm");
    let (never, always) = (words(NEVER), words(ALWAYS));
    let denied = storm.expect_ok(&never);
    assert_eq!((denied.number("sent"), denied.errors("EPERM")), (0, SOCKETS), "{}", denied.0);
    let mut storm = lab.agent("storm");
    let allowed = storm.expect_ok(&always);
    assert_eq!(allowed.number("sent"), SOCKETS, "{}", allowed.0);
    traffic.more(&lab, 300);
    memory.relax();
    daemon.kill9();
    lab.write_policy("worker", ALLOW_ALWAYS);
    daemon.restart();
    assert_eq!(pins::counter(&lab, Some("storm"), Reason::NoRule).packets, SOCKETS);
    assert_eq!(pins::counter(&lab, Some("storm"), Reason::Rule).packets, SOCKETS);
    let sent = traffic.end();
    assert_eq!((sent[0].refused, sent[1].sent), (0, 0), "{sent:?}");
    assert_eq!((arrived(&lab, NEVER), arrived(&lab, ALWAYS)), (0, sent[0].sent + SOCKETS));
    daemon.ok(&["audit", "verify"]);
}

#[test]
fn an_agent_without_memory_reaches_nothing_that_it_may_not() {
    let test = "an_agent_without_memory_reaches_nothing_that_it_may_not";
    if !privileged(test) {
        return;
    }
    let lab = Lab::new();
    let Some(memory) = Memory::of_agent(&lab, "storm") else {
        return skip(test, "no memory controller");
    };
    lab.write_policy("worker", ALLOW_ALWAYS);
    lab.write_policy("storm", ALLOW_ALWAYS);
    let _daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    let mut command = lab.command(binaries::lab_agent());
    memory.put(&mut command);
    let mut storm = Agent::of(&mut command);
    storm.expect_refused(&format!("udp connected {} {} 1", NEVER.0, NEVER.1));
    memory.squeeze(LEFT_TO_AGENT);
    storm.begin(&words(NEVER));
    // It may be killed for it.
    if let Some(answer) = storm.finish_or_end() {
        assert_eq!(answer.number("sent"), 0, "{}", answer.0);
    }
    assert!(memory.failures() > 0, "memory did not run out");
    drop(storm);
    traffic.more(&lab, 50);
    traffic.settle(&lab);
}

fn words((address, port): (&str, u16)) -> String {
    format!("storm {address} {port} {SOCKETS}")
}

/// A rule with more prefixes than there is memory for.
fn many() -> String {
    let mut rule = "[[allow]]\nports = [\"tcp/443\"]\nto = [".to_owned();
    for n in 0..PREFIXES {
        write!(rule, "\"10.{}.{}.0/24\",", 100 + n / 256, n % 256).expect("to a string");
    }
    rule + "]\n"
}
