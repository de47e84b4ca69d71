//! The third violation cuts the agent off in the kernel, daemon or not, and
//! nothing of it is on the wire after the packet that tripped.

use enforcer_common::{AgentState, Reason};
use enforcer_tests::{
    ALLOWED_V4, Agent, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, TRIPWIRE, eventually, pins,
    privileged,
};
use nix::sys::signal::Signal;

/// How the daemon is while the wire trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DaemonIs {
    Alive,
    Stopped,
    Dead,
}

#[test]
fn nothing_leaves_after_the_tripping_packet() {
    trip_while(DaemonIs::Alive, "nothing_leaves_after_the_tripping_packet");
}

#[test]
fn nothing_leaves_after_the_tripping_packet_while_the_daemon_is_stopped() {
    let test = "nothing_leaves_after_the_tripping_packet_while_the_daemon_is_stopped";
    trip_while(DaemonIs::Stopped, test);
}

#[test]
fn nothing_leaves_after_the_tripping_packet_while_the_daemon_is_dead() {
    let test = "nothing_leaves_after_the_tripping_packet_while_the_daemon_is_dead";
    trip_while(DaemonIs::Dead, test);
}

#[test]
fn two_violations_and_a_pause_do_not_trip() {
    if !privileged("two_violations_and_a_pause_do_not_trip") {
        return;
    }
    let lab = Lab::new();
    let window = TRIPWIRE.replace("10s", "1s");
    lab.write_policy("worker", &format!("{BASIC}{window}"));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    for _ in 0..3 {
        violate(&mut agent, 2);
        let last = enforcer_tests::now_ns();
        eventually("the window to pass", || {
            (enforcer_tests::now_ns() > last + 1_100_000_000).then_some(())
        });
    }
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    assert_eq!(pins::state(&lab, "worker").violations, 6);
}

/// An established connection that keeps writing, a second process that floods
/// what is allowed, and a third that breaks the policy.
fn trip_while(daemon_is: DaemonIs, test: &str) {
    if !privileged(test) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let mut daemon = Daemon::start(&lab);
    let (mut writer, mut flooder) = (lab.agent("worker"), lab.agent("worker/nested"));
    let mut violator = lab.agent("worker");
    writer.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    match daemon_is {
        DaemonIs::Alive => {}
        DaemonIs::Stopped => daemon.signal(Signal::SIGSTOP),
        DaemonIs::Dead => daemon.kill9(),
    }
    writer.begin("write-loop c 1000 500 4000");
    flooder.begin(&format!("flood unconnected {ALLOWED_V4} {SINK_PORT} 4000 3 2 2 200"));
    eventually("both to be on the wire", || {
        let packets = lab.peer.packets();
        let of = |proto| packets.iter().filter(|packet| packet.proto == proto).count();
        (of(6) > 100 && of(17) > 100).then_some(())
    });
    violate(&mut violator, 3);
    let state = pins::state(&lab, "worker");
    assert_eq!(state.quarantine, AgentState::BY_TRIPWIRE);
    let flood = flooder.finish();
    let _written = writer.finish();
    violator.expect_refused(&format!("tcp d {ALLOWED_V4} {SINK_PORT}"));
    expect_silence_since(&lab, state.quarantined_at_ns);
    assert!(flood.errors("EPERM") > 1000, "the flood went on in vain: {}", flood.0);
    assert!(pins::counter(&lab, Some("worker"), Reason::Quarantined).packets > 1000);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
}

/// A thread may be between the program's verdict and the wire's time stamp
/// when another one trips: one packet each of the writer and the two flooders.
fn expect_silence_since(lab: &Lab, ns: u64) {
    let mut late = lab.peer.packets_after(ns);
    // The daemon ends the connections; that much the peer is told.
    late.retain(|packet| !packet.bare_reset);
    println!("measured: {} packets already judged when the wire tripped", late.len());
    assert!(late.len() <= 3, "left after the wire tripped at {ns}: {late:#?}");
}

fn violate(agent: &mut Agent, times: u64) {
    let answer = agent.expect_ok(&format!("udp unconnected {FORBIDDEN_V4} {SINK_PORT} {times}"));
    assert_eq!(answer.errors("EPERM"), times);
}
