//! Ten thousand denials a second: the counters stay exact, what is not told is
//! counted, the daemon stays calm.

use enforcer_common::Reason;
use enforcer_tests::{BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, pins, privileged};

/// Ticks a second in `/proc/PID/stat` (`sysconf(_SC_CLK_TCK)` on Linux).
const TICKS: f64 = 100.0;

#[test]
fn ten_thousand_denials_a_second_are_counted_to_the_last() {
    if !privileged("ten_thousand_denials_a_second_are_counted_to_the_last") {
        return;
    }
    let long = std::env::var_os("ENFORCER_LONG").is_some_and(|value| value == "1");
    let seconds = if long { 60 } else { 10 };
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let (cpu_before, before) = (daemon.cpu_ticks(), daemon.metrics());
    let flood = format!("flood unconnected {FORBIDDEN_V4} {SINK_PORT} 10000 {seconds} 2 8 64");
    let answer = lab.agent("worker").expect_ok(&flood);
    let cpu = ticks_to_share(daemon.cpu_ticks() - cpu_before, seconds);
    let attempts = answer.number("attempts");
    assert_eq!(attempts, seconds * 10_000);
    assert_eq!(answer.errors("EPERM"), attempts, "{}", answer.0);
    let counter = pins::counter(&lab, Some("worker"), Reason::NoRule);
    assert_eq!((counter.packets, counter.connections, counter.sockets), (attempts, 0, 0));
    let records = pins::records(&lab, "worker");
    println!("measured: daemon {:.1} % of a core; records {records:?}", cpu * 100.0);
    assert_eq!(records.sent + records.suppressed + records.lost, attempts);
    let denied = "enforcer_packets_total{agent=\"worker\",reason=\"no-rule\",verdict=\"deny\"}";
    let after = daemon.metrics();
    assert_eq!(after.get(denied) - before.get(denied), attempts as f64);
    assert_eq!(lab.peer.packets(), []);
    assert!(!long || cpu < 0.10, "the daemon used {:.1} % of a core", cpu * 100.0);
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn ticks_to_share(ticks: u64, seconds: u64) -> f64 {
    ticks as f64 / TICKS / seconds as f64
}
