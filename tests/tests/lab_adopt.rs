//! `enforcer adopt`: what runs already becomes an agent's, and no socket that it
//! holds is forgotten.

use std::os::unix::net::UnixListener;

use enforcer_tests::layer::has_lsm;
use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, Agent, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, Lab, OTHER_PORT,
    SINK_PORT, binaries, cgroup, daemon, eventually, privileged,
};
use nix::errno::Errno;
use serde_json::Value;

#[test]
fn sockets_made_outside_end_at_both_ends_and_cannot_be_used_again() {
    if !privileged("sockets_made_outside_end_at_both_ends_and_cannot_be_used_again") {
        return;
    }
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let mut process = outside(&lab);
    process.expect_ok(&format!("tcp denied {FORBIDDEN_V4} {OTHER_PORT}"));
    process.expect_ok(&format!("tcp allowed {ALLOWED_V4} {ECHO_PORT}"));
    process.expect_ok(&format!("tcp six {ALLOWED_V6} {ECHO_PORT}"));
    process.expect_ok(&format!("udp-open loose {ALLOWED_V4} 0"));
    process.expect_ok("listen server 7000");
    process.begin("stream denied 1000 500 20");
    eventually("the stream", || (lab.peer.tcp_bytes(OTHER_PORT) > 10_000).then_some(()));
    let told = adopt(&daemon, &process, &[]);
    assert_eq!(process.finish().0["failed"], refusal(&daemon, "ECONNABORTED"));
    expect_reset(&lab, OTHER_PORT, 1);
    expect_reset(&lab, ECHO_PORT, 2);
    let expected = [
        ("tcp", Some(format!("{FORBIDDEN_V4}:{OTHER_PORT}")), "destroyed", "no-rule"),
        ("tcp", Some(format!("{ALLOWED_V4}:{ECHO_PORT}")), "destroyed", "made outside"),
        ("tcp", Some(format!("[{ALLOWED_V6}]:{ECHO_PORT}")), "destroyed", "made outside"),
        ("udp", None, "destroyed", "made outside"),
        ("tcp", None, "destroyed", "made outside"),
    ];
    expect_sockets(&told, &expected);
    let seen = lab.peer.packets().len();
    for name in ["denied", "allowed"] {
        let again = process.act(&format!("reconnect {name} {FORBIDDEN_V4} {SINK_PORT}"));
        assert_eq!(again.errno(), refusal(&daemon, "ENODEV"), "{}", again.0);
    }
    let again = process.act(&format!("udp-send-to loose {FORBIDDEN_V4} {SINK_PORT}"));
    assert!(!again.ok(), "{}", again.0);
    process.expect_refused(&format!("tcp new {FORBIDDEN_V4} {SINK_PORT}"));
    assert_eq!(lab.peer.packets()[seen..], []);
    process.expect_ok(&format!("tcp new {ALLOWED_V4} {SINK_PORT}"));
    let place = process.expect_ok("cgroup").0["cgroup"].clone();
    assert_eq!(place, format!("/{}/worker", lab.root()));
    let event = &events(&daemon)[0];
    assert_eq!((&event["agent"], &event["sockets"]), (&"worker".into(), &5.into()), "{event}");
    assert_eq!(event["process"]["pid"], process.pid());
}

/// What a destroyed socket says: BPF LSM refuses its use before it is asked.
fn refusal<'a>(daemon: &Daemon<'_>, otherwise: &'a str) -> &'a str {
    if has_lsm(daemon) { "EPERM" } else { otherwise }
}

#[test]
fn what_the_policy_allows_is_kept_when_asked_for() {
    if !privileged("what_the_policy_allows_is_kept_when_asked_for") {
        return;
    }
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let mut process = outside(&lab);
    process.expect_ok(&format!("tcp denied {FORBIDDEN_V4} {OTHER_PORT}"));
    process.expect_ok(&format!("tcp allowed {ALLOWED_V4} {ECHO_PORT}"));
    process.expect_ok(&format!("udp-open fixed {ALLOWED_V4} {SINK_PORT}"));
    process.expect_ok(&format!("udp-open loose {ALLOWED_V4} 0"));
    let told = adopt(&daemon, &process, &["--keep-allowed"]);
    let kept = "allowed, made outside";
    let expected = [
        ("tcp", Some(format!("{FORBIDDEN_V4}:{OTHER_PORT}")), "destroyed", "no-rule"),
        ("tcp", Some(format!("{ALLOWED_V4}:{ECHO_PORT}")), "kept", kept),
        ("udp", Some(format!("{ALLOWED_V4}:{SINK_PORT}")), "kept", kept),
        ("udp", None, "destroyed", "made outside"),
    ];
    expect_sockets(&told, &expected);
    expect_reset(&lab, OTHER_PORT, 1);
    if has_lsm(&daemon) {
        // Kept, and of no use: each send on it is judged by who sends.
        process.expect_refused("write allowed 1000");
        return process.expect_refused("udp-send fixed");
    }
    process.expect_ok("write allowed 1000");
    eventually("its bytes", || (lab.peer.tcp_bytes(ECHO_PORT) == 1000).then_some(()));
    process.expect_ok("udp-send fixed");
    assert_eq!(lab.peer.endings(ECHO_PORT), []);
}

#[test]
fn what_no_policy_speaks_of_is_reported() {
    if !privileged("what_no_policy_speaks_of_is_reported") {
        return;
    }
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let mut process = outside(&lab);
    let path = lab.path("deputy");
    let deputy = UnixListener::bind(&path).expect("listen");
    process.expect_ok(&format!("unix {}", path.display()));
    let _accepted = deputy.accept().expect("its connection");
    process.expect_ok("packet");
    let told = adopt(&daemon, &process, &[]);
    let own = std::fs::read_to_string("/proc/self/comm").expect("our name");
    let deputy = format!("{}[{}]", own.trim(), std::process::id());
    let expected = [
        ("unix stream", Some(deputy), "open", "not judged"),
        ("packet raw", None, "open", "cannot be ended"),
    ];
    assert_eq!(told["sockets"][0]["local"], path.display().to_string(), "{told}");
    expect_sockets(&told, &expected);
    let notes = told["notes"].to_string();
    assert!(notes.contains("CAP_NET_RAW"), "{notes}");
    let mut another = outside(&lab);
    another.expect_ok("packet");
    let text = daemon.ok(&["adopt", "--agent", "worker", "--pid", &another.pid().to_string()]);
    assert!(text.contains("packet raw") && text.contains("start it anew"), "{text}");
}

#[test]
fn everything_in_a_cgroup_and_in_other_network_namespaces_is_adopted() {
    if !privileged("everything_in_a_cgroup_and_in_other_network_namespaces_is_adopted") {
        return;
    }
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let place = cgroup::Scoped::new(&format!("{}-elsewhere", lab.root()));
    let start = |below: &str, netns: &enforcer_tests::netns::Netns| {
        let folder = place.0.join(below);
        std::fs::create_dir_all(&folder).expect("make a cgroup");
        let mut command = std::process::Command::new(binaries::lab_agent());
        netns.put(&mut command);
        Agent::of(cgroup::put(&mut command, &folder))
    };
    let (mut near, mut far) = (start("", &lab.host), start("deep/down", &lab.far));
    near.expect_ok(&format!("tcp c {ALLOWED_V4} {ECHO_PORT}"));
    far.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    let path = place.0.display().to_string();
    let told = daemon.json(&["adopt", "--agent", "worker", "--cgroup", &path]);
    let mut pids = [near.pid(), far.pid()];
    pids.sort_unstable();
    assert_eq!(told["processes"], serde_json::json!(pids));
    assert_eq!(told["sockets"].as_array().map(Vec::len), Some(2), "{told}");
    for (agent, port) in [(&mut near, ECHO_PORT), (&mut far, SINK_PORT)] {
        expect_reset(&lab, port, 1);
        let place = agent.expect_ok("cgroup").0["cgroup"].clone();
        assert_eq!(place, format!("/{}/worker", lab.root()));
        assert_eq!(agent.act("write c 1").errno(), refusal(&daemon, "ECONNABORTED"));
        agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} {OTHER_PORT}"));
    }
}

#[test]
fn what_must_not_be_adopted_is_refused_with_a_hint() {
    if !privileged("what_must_not_be_adopted_is_refused_with_a_hint") {
        return;
    }
    let lab = lab();
    lab.write_policy("other", BASIC);
    let daemon = Daemon::start(&lab);
    let others = lab.agent("other/nested");
    let ended = {
        let process = outside(&lab);
        process.pid()
    };
    let mut cases = vec![
        ("worker", 1, "init"),
        ("worker", daemon.pid(), "the enforcer itself"),
        ("worker", others.pid(), "agent other's"),
        ("worker", ended, "does not exist"),
        ("nobody-knows", ended, "no policy in force"),
    ];
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm.trim() == "kthreadd") {
        cases.push(("worker", 2, "kernel thread"));
    }
    for (agent, pid, why) in cases {
        let output = daemon.enforcer(&["adopt", "--agent", agent, "--pid", &pid.to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why) && said.contains("hint: "), "{said}");
    }
    for cgroup in ["/", "no-such", lab.root()] {
        let output = daemon.enforcer(&["adopt", "--agent", "worker", "--cgroup", cgroup]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("hint: "), "{said}");
    }
    assert_eq!(daemon.enforcer(&["adopt", "--agent", "worker"]).status.code(), Some(2));
    assert_eq!(events(&daemon), Vec::<Value>::new());
    drop(daemon);
    let pid = others.pid().to_string();
    let alone = daemon::enforcer(&lab, &["adopt", "--agent", "other", "--pid", &pid]).output();
    assert_eq!(alone.expect("run enforcer").status.code(), Some(4));
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    lab
}

/// A process in the agents' namespace, in nobody's cgroup.
fn outside(lab: &Lab) -> Agent {
    Agent::of(&mut lab.command(binaries::lab_agent()))
}

#[track_caller]
fn adopt(daemon: &Daemon<'_>, process: &Agent, more: &[&str]) -> Value {
    let pid = process.pid().to_string();
    let words = [&["adopt", "--agent", "worker", "--pid", &pid][..], more].concat();
    daemon.json(&words)
}

/// Kind, other end, result and reason of each, in the order of descriptors.
#[track_caller]
fn expect_sockets(told: &Value, expected: &[(&str, Option<String>, &str, &str)]) {
    let sockets = told["sockets"].as_array().expect("a list");
    assert_eq!(sockets.len(), expected.len(), "{told:#}");
    for (socket, (kind, peer, result, why)) in sockets.iter().zip(expected) {
        assert_eq!(socket["kind"], *kind, "{socket}");
        if let Some(peer) = peer {
            assert_eq!(socket["peer"], *peer, "{socket}");
        }
        assert_eq!((&socket["result"], &socket["why"]), (&(*result).into(), &(*why).into()));
    }
}

#[track_caller]
fn expect_reset(lab: &Lab, port: u16, connections: usize) {
    let ends = eventually("the peer to see the end", || {
        let ends = lab.peer.endings(port);
        (ends.len() == connections).then_some(ends)
    });
    assert!(ends.iter().all(|end| end.error == Some(Errno::ECONNRESET)), "{ends:?}");
}

fn events(daemon: &Daemon<'_>) -> Vec<Value> {
    let mut events = daemon.events();
    events.retain(|event| event["kind"] == "adopted");
    events
}
