//! Processes and sockets of others, used for the agent. Closed by `enforcer
//! exec` and by BPF LSM; the cgroup programs see neither.

use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use enforcer_tests::confined::{self, expect_closed};
use enforcer_tests::layer::has_lsm;
use enforcer_tests::{
    ALLOWED_V4, Agent, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, Lab, SINK_PORT, binaries,
    eventually, privileged,
};

#[test]
fn the_memory_and_descriptors_of_others_cannot_be_used() {
    if !privileged("the_memory_and_descriptors_of_others_cannot_be_used") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    outside.expect_ok(&format!("tcp held {FORBIDDEN_V4} {SINK_PORT}"));
    let descriptors = outside.expect_ok("fds").0["fds"].clone();
    let mut table = descriptors.as_object().expect("a table").iter();
    let held = table.find(|(_, target)| target.as_str().is_some_and(|t| t.starts_with("socket:")));
    let (held, pid) = (held.expect("its connection").0.clone(), outside.pid());
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        for words in [
            format!("take {pid} {held}"),
            format!("ptrace {pid}"),
            format!("poke {pid}"),
            format!("open write /proc/{pid}/mem"),
        ] {
            expect_closed(layer, &mut agent, &words);
        }
        agent.expect_ok(&format!("udp-echo {ALLOWED_V4} {ECHO_PORT}"));
    }
    // The connection is what an agent would have sent on, and it is alive.
    assert_eq!(lab.peer.tcp_bytes(SINK_PORT), 0);
    outside.expect_ok("write held 7");
    eventually("its owner's bytes", || (lab.peer.tcp_bytes(SINK_PORT) == 7).then_some(()));
}

/// Signals as news of a descriptor, and limits, under `enforcer exec`.
#[test]
fn nobody_outside_is_ended_without_a_signal_being_sent() {
    if !privileged("nobody_outside_is_ended_without_a_signal_being_sent") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    let mut agent = confined::agent(&lab);
    agent.expect_refused(&format!("starve limit {}", outside.pid()));
    let signal = format!("signal-by-descriptor fcntl {} 9", outside.pid());
    if has_lsm(&daemon) {
        agent.expect_refused(&signal);
    } else if confined::has_scopes() {
        // The kernel sends it while the agent waits, or not at all.
        agent.expect_ok(&signal);
    }
    outside.expect_ok("cgroup");
    let mut others = Agent::of(&mut lab.command(binaries::lab_agent()));
    others.expect_ok(&format!("signal-by-descriptor fcntl {} 9", outside.pid()));
    eventually("its end", || outside.ended());
}

/// The launcher's side of it: what no hook could judge is not handed in at all.
#[test]
fn no_socket_comes_in_as_a_standard_stream() {
    if !privileged("no_socket_comes_in_as_a_standard_stream") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let (udp, (stream, _peer)) = lab.host.run(|| {
        let udp = UdpSocket::bind("0.0.0.0:0").expect("a socket outside");
        (udp, UnixStream::pair().expect("a pair"))
    });
    for socket in [OwnedFd::from(udp), OwnedFd::from(stream)] {
        let mut command = confined::command(&lab);
        let said = command.arg("true").stdin(Stdio::from(socket)).output().expect("run exec");
        let stderr = String::from_utf8_lossy(&said.stderr);
        assert!(!said.status.success() && stderr.contains("socket"), "{stderr}");
    }
    assert!(confined::command(&lab).arg("true").output().expect("run exec").status.success());
}

/// A helper of the kernel would run outside, as root, with words of the agent's.
#[test]
fn the_kernel_starts_no_helper_for_an_agent() {
    if !privileged("the_kernel_starts_no_helper_for_an_agent") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut settings = vec!["kernel/core_pattern", "kernel/modprobe", "net/ipv4/ip_forward"];
    // A kernel without modules has no program to load them.
    settings.retain(|setting| setting_file(setting).exists());
    let read = || settings.iter().flat_map(|s| std::fs::read(setting_file(s))).collect::<Vec<_>>();
    let before = read();
    let mut agents = confined::agents(&lab, &daemon);
    for (layer, agent) in &mut agents {
        expect_closed(layer, agent, "request-key");
    }
    // These the cgroup programs refuse alone.
    agents.push(("hooks", lab.agent("worker")));
    for (layer, agent) in &mut agents {
        for setting in &settings {
            expect_closed(layer, agent, &format!("put /proc/sys/{setting} |/tmp/x"));
        }
    }
    assert_eq!(read(), before);
}

fn setting_file(setting: &str) -> PathBuf {
    Path::new("/proc/sys").join(setting)
}

/// Handed in before the first instruction: the launcher closes them; BPF LSM
/// refuses their use, by a ring and by `splice` as well.
#[test]
fn a_socket_that_was_inherited_carries_nothing() {
    if !privileged("a_socket_that_was_inherited_carries_nothing") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let udp = lab.host.run(|| UdpSocket::bind("0.0.0.0:0").expect("a socket outside"));
    udp.connect((FORBIDDEN_V4, SINK_PORT)).expect("connected outside");
    if has_lsm(&daemon) {
        let own = lab.cgroup("worker");
        let mut agent = Agent::with_descriptors(&lab, &own, &[udp.as_fd()]);
        for call in ["write", "sendmsg", "sendmmsg", "splice", "sendfile", "aio", "uring"] {
            agent.expect_refused(&format!("carry-handed {call} 10"));
        }
    }
    let mut agent = confined::agent(&lab);
    assert_eq!(agent.act("carry-handed write 10").errno(), "EBADF");
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
    udp.send(b"its owner's").expect("sent");
    eventually("its owner's datagram", || {
        (lab.peer.packets_to(FORBIDDEN_V4).len() == 1).then_some(())
    });
}
