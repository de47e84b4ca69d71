//! Somebody sets the clock. What is enforced goes by the clock that nobody sets.

use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER};
use enforcer_tests::wait::realtime_offset_ns;
use enforcer_tests::{
    ALLOWED_V4, Agent, Daemon, FORBIDDEN_V4, Lab, Metrics, OTHER_PORT, SINK_PORT, TRIPWIRE,
    Traffic, eventually, now_ns, privileged, revoker, skip,
};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

const DAY_NS: i64 = 86_400_000_000_000;
const PENDING: &str = "enforcer_revocations_pending";
const RATE: u64 = 200;
const BURST: u64 = 200;

/// The wall clock as it was, for when the test is over.
struct Clock(i64);

#[test]
fn steps_of_the_clock_change_no_verdict_and_put_off_no_revocation() {
    let test = "steps_of_the_clock_change_no_verdict_and_put_off_no_revocation";
    if !privileged(test) {
        return;
    }
    if std::env::var_os("ENFORCER_GUEST").is_none() {
        return skip(test, "the host's clock is not ours to set");
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    let cap = format!("[limits]\npackets = {{ rate = \"{RATE}/s\", burst = {BURST} }}\n");
    lab.write_policy("capped", &format!("{}{cap}", ALLOW_ALWAYS.replace("5001", "5002")));
    revoker::equip(&lab, "outcast", ALLOW_ALWAYS);
    revoker::equip(&lab, "watched", ALLOW_ALWAYS);
    // Counted by the daemon: the kernel's wire has the same count.
    let slow = TRIPWIRE.replace("count = 3, within = \"10s\"", "count = 5, within = \"10m\"");
    let slow = slow.replace("[\"quarantine\"]", "[\"revoke\"]");
    lab.write_policy("watched", &format!("{ALLOW_ALWAYS}{slow}"));
    let daemon = Daemon::start(&lab);
    let clock = Clock::now();
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    let (mut outcast, mut watched) = (lab.agent("outcast"), lab.agent("watched"));
    violate(&mut outcast, 3);
    pending(&daemon, 1.0);
    expect_cap_across_steps(&lab, &clock);
    violate(&mut watched, 3);
    clock.step(1);
    violate(&mut watched, 1);
    traffic.more(&lab, 100);
    assert_eq!(daemon.metrics().get(PENDING), 1.0, "four are not five");
    assert_eq!(daemon.json(&["status"])["ready"], true);
    clock.step(-1);
    violate(&mut watched, 1);
    pending(&daemon, 2.0);
    revoker::answer(&lab, true);
    for agent in ["outcast", "watched"] {
        eventually("the revocation", || revoker::done(&lab, agent).then_some(()));
    }
    assert_eq!(daemon.json(&["status"])["ready"], true);
    drop(clock);
    daemon.ok(&["audit", "verify"]);
    traffic.settle(&lab);
}

/// A flood far above the cap while the clock goes a day forward and back.
fn expect_cap_across_steps(lab: &Lab, clock: &Clock) {
    let mut agent = lab.agent("capped");
    let begun = now_ns();
    agent.begin(&format!("flood unconnected {ALLOWED_V4} {OTHER_PORT} 1000 6 1 4 64"));
    for (second, days) in [(1, 1), (2, -1), (3, 1), (4, 0)] {
        eventually("the next second", || (now_ns() > begun + second * 1_000_000_000).then_some(()));
        clock.step(days);
    }
    let answer = agent.finish();
    let (sent, most) = (answer.number("sent"), RATE * answer.took_ns() / 1_000_000_000 + BURST);
    println!("measured: {sent} of {most}");
    assert!(sent <= most + most / 50 && sent > most / 4, "{sent} of {most}");
}

fn violate(agent: &mut Agent, count: u64) {
    let answer = agent.expect_ok(&format!("udp unconnected {FORBIDDEN_V4} {SINK_PORT} {count}"));
    assert_eq!(answer.errors("EPERM"), count);
}

fn pending(daemon: &Daemon<'_>, count: f64) {
    daemon.metrics_when("the decision", |m: &Metrics| m.get(PENDING) == count);
}

// === impl Clock ===

impl Clock {
    fn now() -> Self {
        Self(i64::try_from(realtime_offset_ns()).expect("this century"))
    }

    /// Sets the wall clock to so many days from what it should show.
    fn step(&self, days: i64) {
        let ns = self.0 + i64::try_from(now_ns()).expect("not that old") + days * DAY_NS;
        let time = TimeSpec::new(ns / 1_000_000_000, ns % 1_000_000_000);
        clock_settime(ClockId::CLOCK_REALTIME, time).expect("set the clock of the guest");
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.step(0);
    }
}
