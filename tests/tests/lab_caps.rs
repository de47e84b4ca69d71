//! Caps, measured where they matter: at the peer, over ten seconds.

use enforcer_tests::{ALLOWED_V4, Answer, BASIC, Daemon, Lab, SINK_PORT, privileged};

/// Each burst below is a quarter of a second's worth or more: a busy machine
/// stops its processes for a while, and a cap does not pay back what is not
/// asked for in time.
const SECONDS: u64 = 10;

#[test]
fn packets_a_second_hold_within_two_percent() {
    if !privileged("packets_a_second_hold_within_two_percent") {
        return;
    }
    let (rate, burst) = (500, 125);
    let lab = capped(&format!("packets = {{ rate = \"{rate}/s\", burst = {burst} }}"));
    let _daemon = Daemon::start(&lab);
    let flood = format!("flood unconnected {ALLOWED_V4} {SINK_PORT} 2000 {SECONDS} 1 4 100");
    let answer = lab.agent("worker").expect_ok(&flood);
    let arrived = lab.peer.packets().len() as u64;
    assert_eq!(answer.number("sent"), arrived, "{}", answer.0);
    assert_eq!(answer.errors("EPERM"), answer.number("attempts") - arrived);
    expect_close("packets", arrived, rate, burst, &answer);
}

#[test]
fn bytes_a_second_hold_within_two_percent() {
    if !privileged("bytes_a_second_hold_within_two_percent") {
        return;
    }
    let (rate, burst) = (200_000, 60_000);
    let lab = capped(&format!("bytes = {{ rate = \"{rate}B/s\", burst = {burst} }}"));
    let _daemon = Daemon::start(&lab);
    let flood = format!("flood unconnected {ALLOWED_V4} {SINK_PORT} 1500 {SECONDS} 1 4 472");
    let answer = lab.agent("worker").expect_ok(&flood);
    let arrived: u64 = lab.peer.packets().iter().map(|packet| u64::from(packet.len)).sum();
    assert_eq!(answer.number("sent") * 500, arrived, "{}", answer.0);
    expect_close("bytes", arrived, rate, burst, &answer);
}

#[test]
fn new_connections_hold_within_two_percent() {
    if !privileged("new_connections_hold_within_two_percent") {
        return;
    }
    let (rate, burst) = (50, 25);
    let lab = capped(&format!("connections = {{ rate = \"{rate}/s\", burst = {burst} }}"));
    let daemon = Daemon::start(&lab);
    let before = daemon.metrics();
    let tries = format!("tcp-rate {ALLOWED_V4} {SINK_PORT} 150 {SECONDS}");
    let answer = lab.agent("worker").expect_ok(&tries);
    let syns = lab.peer.packets().iter().filter(|packet| packet.flags == 2).count() as u64;
    assert_eq!(answer.number("opened"), syns, "{}", answer.0);
    expect_close("connections", syns, rate, burst, &answer);
    let limited = "enforcer_rate_limited_total{agent=\"worker\",kind=\"connections\"}";
    let after = daemon.metrics();
    let refused = after.get(limited) - before.get(limited);
    assert_eq!(refused, answer.errors("EPERM") as f64);
}

#[test]
fn a_burst_passes_at_once_and_no_more() {
    if !privileged("a_burst_passes_at_once_and_no_more") {
        return;
    }
    let lab = capped("packets = { rate = \"1/m\", burst = 40 }");
    let _daemon = Daemon::start(&lab);
    let words = format!("udp unconnected {ALLOWED_V4} {SINK_PORT} 100");
    let answer = lab.agent("worker").expect_ok(&words);
    assert_eq!((answer.number("sent"), answer.errors("EPERM")), (40, 60), "{}", answer.0);
    assert_eq!(lab.peer.packets().len(), 40);
}

fn capped(limit: &str) -> Lab {
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}\n[limits]\n{limit}"));
    lab
}

/// `rate` a second for as long as the agent tried, and one burst. A slow machine
/// takes longer than it was told to.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn expect_close(what: &str, got: u64, rate: u64, burst: u64, tried: &Answer) {
    let want = rate * tried.took_ns() / 1_000_000_000 + burst;
    let ratio = got as f64 / want as f64;
    println!("measured: {what}: {got} of {want}, {:+.2} %", (ratio - 1.0) * 100.0);
    assert!((0.98..=1.02).contains(&ratio), "{what}: {got} of {want}");
}
