//! What names no destination and would open a way past the judge of packets:
//! options, devices, settings, Unix sockets, interfaces, strangers.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use enforcer_common::Reason;
use enforcer_tests::layer::has_lsm;
use enforcer_tests::{
    AGENT_V4, ALLOWED_V4, Agent, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, TRIPWIRE, binaries,
    eventually, pins, privileged, skip,
};

/// Level and name of options that send packets another way, write headers, or
/// make the kernel send (`include/uapi/linux/{in,in6,tcp,udp}.h`,
/// `asm-generic/socket.h`).
const DIVERTING: [(i32, &[i32]); 8] = [
    (0, &[3, 4, 7, 15, 16, 17, 19, 32, 35, 37, 38, 39, 41, 42, 43, 44, 46, 48, 50]),
    (1, &[5, 25, 36, 62]),
    (6, &[19, 31]),
    (17, &[100]),
    (136, &[100]),
    (
        41,
        &[
            2, 3, 4, 5, 6, 9, 17, 20, 27, 34, 35, 36, 42, 43, 44, 46, 48, 50, 54, 55, 57, 59, 75,
            76, 78,
        ],
    ),
    (263, &[1, 5, 13, 20]),
    (283, &[4]),
];
/// `SO_RCVBUF`, `SO_RCVTIMEO`, `IP_TOS`, `IP_TTL`, `IP_RECVERR`, `IPV6_V6ONLY`.
const HARMLESS: [(i32, i32); 6] = [(1, 8), (1, 20), (0, 1), (0, 2), (0, 11), (41, 26)];

#[test]
fn options_that_divert_packets_are_refused_and_others_are_not() {
    if !privileged("options_that_divert_packets_are_refused_and_others_are_not") {
        return;
    }
    let (lab, policy) = (Lab::new(), BASIC);
    lab.write_policy("worker", policy);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let mut refused = 0;
    for (level, names) in DIVERTING {
        for name in names {
            agent.expect_refused(&format!("option {level} {name}"));
            refused += 1;
        }
    }
    for (level, name) in HARMLESS {
        agent.expect_ok(&format!("option {level} {name}"));
    }
    expect_only(&lab, Reason::SocketOption, refused);
    let event = event_of(&daemon, "setsockopt");
    assert_eq!((&event["kind"], &event["reason"]), (&"denied".into(), &"socket-option".into()));
    assert_eq!(event["message"], "socket option 3 of level 0");
}

#[test]
fn three_diverting_options_trip_the_wire() {
    if !privileged("three_diverting_options_trip_the_wire") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
    for _ in 0..3 {
        agent.expect_refused("option 0 4");
    }
    agent.expect_refused(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
}

#[test]
fn devices_that_carry_packets_or_memory_are_refused() {
    if !privileged("devices_that_carry_packets_or_memory_are_refused") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let node = lab.path("tun");
    // To root outside, before: the device is there to be opened.
    let made = std::process::Command::new("mknod").arg(&node).args(["c", "10", "200"]).status();
    assert!(made.expect("mknod runs").success());
    agent.expect_refused(&format!("open read {}", node.display()));
    // A serial line leads out of the machine, whoever listens there.
    let line = lab.path("line");
    let made = std::process::Command::new("mknod").arg(&line).args(["c", "4", "64"]).status();
    assert!(made.expect("mknod runs").success());
    agent.expect_refused(&format!("open write {}", line.display()));
    // A TAP of a MAC VLAN (its number is given out), a disk by SCSI, RDMA, a modem:
    // whatever is not known to be harmless, whether or not there is a driver.
    for (name, major, minor) in
        [("tap", "247", "1"), ("sg", "21", "0"), ("verbs", "231", "192"), ("wdm", "180", "176")]
    {
        let node = lab.path(name);
        let made =
            std::process::Command::new("mknod").arg(&node).args(["c", major, minor]).status();
        assert!(made.expect("mknod runs").success());
        agent.expect_refused(&format!("open read {}", node.display()));
    }
    agent.expect_refused(&format!("mknod {} 1 3", lab.path("null").display()));
    for harmless in ["/dev/null", "/dev/zero", "/dev/urandom"] {
        agent.expect_ok(&format!("open read {harmless}"));
    }
    // Where the security hooks hold, making devices is a privilege that no agent has.
    let privileges = u64::from(has_lsm(&daemon));
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Privilege).sockets, privileges);
    let refused = pins::counter(&lab, Some("worker"), Reason::Device).sockets;
    assert_eq!(refused, 7 - privileges);
    assert_eq!(event_of(&daemon, "device")["message"], "device 10:200");
}

#[test]
fn kernel_settings_are_read_and_not_written() {
    if !privileged("kernel_settings_are_read_and_not_written") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let setting = "/proc/sys/net/ipv4/ip_forward";
    let before = std::fs::read_to_string(setting).expect("readable");
    agent.expect_ok(&format!("open read {setting}"));
    agent.expect_refused(&format!("put {setting} 1"));
    assert_eq!(std::fs::read_to_string(setting).expect("readable"), before);
    expect_only(&lab, Reason::KernelSetting, 1);
    assert_eq!(event_of(&daemon, "sysctl")["reason"], "kernel-setting");
}

#[test]
fn a_unix_socket_outside_is_reached_only_when_the_policy_names_it() {
    const TEST: &str = "a_unix_socket_outside_is_reached_only_when_the_policy_names_it";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    let (named, other) = (lab.path("named.sock"), lab.path("other.sock"));
    let abstract_name = format!("{}-deputy", lab.root());
    let _named = UnixListener::bind(&named).expect("bound");
    let _other = UnixListener::bind(&other).expect("bound");
    let datagrams = lab.path("datagrams.sock");
    let receiver = UnixDatagram::bind(&datagrams).expect("bound");
    // Such names belong to a network namespace.
    let name = SocketAddr::from_abstract_name(&abstract_name).expect("an address");
    let _abstract = lab.host.run(|| UnixListener::bind_addr(&name).expect("bound"));
    let grants = format!("[process]\nunix = [\"{}\"]\n", named.display());
    lab.write_policy("worker", &format!("{BASIC}{grants}"));
    let daemon = Daemon::start(&lab);
    let Some(by_name) = judged_by_name(TEST, &daemon) else { return };
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("unix stream {}", named.display()));
    for refused in [
        format!("unix stream {}", other.display()),
        format!("unix stream @{abstract_name}"),
        format!("unix dgram {}", datagrams.display()),
        format!("unix send {}", datagrams.display()),
    ] {
        agent.expect_refused(&refused);
    }
    receiver.set_nonblocking(true).expect("set");
    assert!(receiver.recv(&mut [0; 8]).is_err(), "a datagram came through");
    expect_only(&lab, Reason::UnixPeer, 4);
    let event = event_of(&daemon, if by_name { "connect_unix" } else { "unix_stream_connect" });
    assert_eq!(event["reason"], "unix-peer");
    if by_name {
        assert_eq!(event["message"], format!("Unix socket {}", other.display()));
        // The same socket by a path that could lead out of a folder.
        let climbing = format!("{}/bpf/../named.sock", lab.path("").display());
        agent.expect_refused(&format!("unix stream {climbing}"));
    }
}

#[test]
fn an_agent_reaches_the_unix_sockets_in_its_own_folder() {
    const TEST: &str = "an_agent_reaches_the_unix_sockets_in_its_own_folder";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let Some(by_name) = judged_by_name(TEST, &daemon) else { return };
    let own = lab.path("agents/worker");
    std::fs::create_dir_all(&own).expect("made");
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("unix-listen {}/s", own.display()));
    agent.expect_ok(&format!("unix stream {}/s", own.display()));
    // Not by another's name for it.
    std::fs::create_dir_all(lab.path("agents/other")).expect("made");
    if by_name {
        agent.expect_refused(&format!("unix stream {}/../other/s", own.display()));
        agent.expect_refused(&format!("unix stream {}/s", lab.path("agents/other").display()));
    }
}

#[test]
fn packets_leave_only_by_the_interfaces_that_the_policy_names() {
    if !privileged("packets_leave_only_by_the_interfaces_that_the_policy_names") {
        return;
    }
    let lab = Lab::new();
    // A second way to the peer, and a policy that names the first.
    lab.host.ip("link add second type veth peer name behind");
    lab.host.ip("addr add 10.78.0.1/24 dev second");
    lab.host.ip("link set second up");
    lab.host.ip("link set behind up");
    lab.write_policy("worker", &format!("{BASIC}[process]\ninterfaces = [\"wire\"]\n"));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
    agent.expect_refused(&format!("udp-by second {ALLOWED_V4} {SINK_PORT}"));
    expect_only(&lab, Reason::Interface, 0);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Interface).packets, 1);
}

#[test]
fn a_stranger_outside_gets_no_answer_and_trips_no_wire() {
    if !privileged("a_stranger_outside_gets_no_answer_and_trips_no_wire") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok("listen l 8080");
    let mut stranger = stranger(&lab);
    for _ in 0..4 {
        assert!(!stranger.act(&format!("tcp s {AGENT_V4} 8080")).ok());
    }
    let dropped = pins::counter(&lab, Some("worker"), Reason::Inbound).packets;
    assert!(dropped >= 4, "{dropped} segments were dropped");
    assert_eq!(pins::state(&lab, "worker").quarantine, 0);
    assert_eq!(pins::state(&lab, "worker").violations, 0);
    agent.expect_ok(&format!("udp connected {ALLOWED_V4} {SINK_PORT} 1"));
    // What the stranger's side has seen besides the agent's one datagram.
    let answers: Vec<_> = lab.peer.packets().into_iter().filter(|p| p.proto == 6).collect();
    assert_eq!(answers, []);
}

/// The kernel answers them with a reset, from Linux 6.13 on in the name of the
/// agent's listener: nothing that the agent did.
#[test]
fn segments_that_a_stranger_makes_up_trip_no_wire() {
    if !privileged("segments_that_a_stranger_makes_up_trip_no_wire") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", &format!("{BASIC}{TRIPWIRE}"));
    let daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    agent.expect_ok("listen l 8080");
    let mut stranger = stranger(&lab);
    stranger.expect_ok(&format!("stray {FORBIDDEN_V4} {AGENT_V4} 8080 6"));
    let refused = || pins::counter(&lab, Some("worker"), Reason::NoRule).packets;
    let answered = || lab.peer.packets().into_iter().filter(|packet| packet.proto == 6).count();
    eventually("six resets", || (refused() + answered() as u64 >= 6).then_some(()));
    assert_eq!(pins::state(&lab, "worker").quarantine, 0);
    assert_eq!(pins::state(&lab, "worker").violations, 0);
    // An event would be before the one of this attempt.
    agent.expect_refused(&format!("tcp own {FORBIDDEN_V4} {SINK_PORT}"));
    let own = event_of(&daemon, "connect4");
    assert_eq!(own["reason"], "no-rule");
    assert!(daemon.events().iter().all(|event| event["hook"] != "egress"), "a reset was reported");
    assert_eq!(pins::state(&lab, "worker").violations, 1);
}

/// A name below another root, or over mounts of the agent's own, is another's.
#[test]
fn a_unix_socket_is_named_from_the_hosts_root_only() {
    const TEST: &str = "a_unix_socket_is_named_from_the_hosts_root_only";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    let named = lab.path("named.sock");
    let below = lab.path("root");
    let elsewhere = below.join(named.strip_prefix("/").expect("absolute"));
    std::fs::create_dir_all(elsewhere.parent().expect("a folder")).expect("made");
    let _named = UnixListener::bind(&named).expect("bound");
    let _other = UnixListener::bind(&elsewhere).expect("bound");
    let grants = format!("[process]\nunix = [\"{}\"]\n", named.display());
    lab.write_policy("worker", &format!("{BASIC}{grants}"));
    let daemon = Daemon::start(&lab);
    if judged_by_name(TEST, &daemon) != Some(true) {
        return;
    }
    let (mut rooted, mut mounting) = (lab.agent("worker"), lab.agent("worker"));
    let reach = format!("unix stream {}", named.display());
    rooted.expect_ok(&reach);
    mounting.expect_ok(&reach);
    rooted.expect_ok(&format!("change-root {}", below.display()));
    mounting.expect_ok("own-namespaces");
    rooted.expect_refused(&reach);
    mounting.expect_refused(&reach);
    expect_only(&lab, Reason::UnixPeer, 2);
}

/// A process on the peer's side, of no agent.
fn stranger(lab: &Lab) -> Agent {
    let mut command = std::process::Command::new(binaries::lab_agent());
    Agent::of(lab.far.put(&mut command))
}

/// Asserts that the agent's calls were refused for this reason, so often, and
/// for no other.
#[track_caller]
fn expect_only(lab: &Lab, reason: Reason, calls: u64) {
    for (other, counter) in pins::counters(lab, Some("worker")) {
        let wanted = if other == reason { calls } else { 0 };
        assert_eq!(counter.sockets, wanted, "{other:?}");
    }
}

/// The first event from this hook.
#[track_caller]
fn event_of(daemon: &Daemon<'_>, hook: &str) -> serde_json::Value {
    eventually(&format!("an event of {hook}"), || {
        daemon.events().into_iter().find(|event| event["hook"] == hook)
    })
}

/// Whether Unix sockets are judged by their name, and not by their peer's
/// cgroup; `None`, and a skip of `test`, where they are not judged at all.
fn judged_by_name(test: &str, daemon: &Daemon<'_>) -> Option<bool> {
    let judged = daemon.json(&["status"])["unix_sockets"].clone();
    let judged = judged.as_str().expect("status says how");
    if judged.starts_with("not judged") {
        skip(test, "this kernel asks no program about Unix sockets");
        return None;
    }
    Some(judged == "judged by name")
}
