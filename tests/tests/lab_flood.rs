//! Ten thousand denials a second: the counters stay exact, what is not told is
//! counted, the daemon stays calm. `ENFORCER_LONG=1` keeps it up for a minute
//! and demands the calm, of a daemon built with `--release`.

use enforcer_common::{Reason, RecordStats};
use enforcer_tests::{BASIC, Daemon, FORBIDDEN_V4, Lab, Metrics, SINK_PORT, pins, privileged};

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
    // A hundred a second are told; the rest is the budget's doing, not the ring's.
    assert!(records.suppressed > attempts * 9 / 10, "{records:?}");
    expect_all_told(&daemon, &before, attempts, &records);
    assert_eq!(lab.peer.packets(), []);
    assert!(!long || cpu < 0.10, "the daemon used {:.1} % of a core", cpu * 100.0);
}

/// Each denial is in the counters, and each is an event or a counted loss.
fn expect_all_told(daemon: &Daemon<'_>, before: &Metrics, attempts: u64, records: &RecordStats) {
    let denied = "enforcer_packets_total{agent=\"worker\",reason=\"no-rule\",verdict=\"deny\"}";
    let wanted = [
        (denied, attempts),
        ("enforcer_violations_total{agent=\"worker\",reason=\"no-rule\"}", attempts),
        ("enforcer_events_total{kind=\"denied\"}", records.sent),
        ("enforcer_events_lost_total{cause=\"budget\"}", records.suppressed),
        ("enforcer_events_lost_total{cause=\"ring-full\"}", records.lost),
    ];
    daemon.metrics_when(&format!("all of {wanted:?} to be told"), |now| {
        wanted.iter().all(|(series, by)| now.get(series) - before.get(series) == count(*by))
    });
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn count(n: u64) -> f64 {
    n as f64
}

fn ticks_to_share(ticks: u64, seconds: u64) -> f64 {
    count(ticks) / TICKS / count(seconds)
}
