//! An agent's cgroup is removed and made again under the same name. It is
//! covered before its first process runs, and never open.

use std::fs;

use enforcer_common::Reason;
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER, arrived};
use enforcer_tests::{Agent, Daemon, Lab, Traffic, eventually, pins, privileged};

const ROUNDS: usize = 10;

#[test]
fn a_cgroup_made_anew_is_denied_until_it_is_its_agents_again() {
    if !privileged("a_cgroup_made_anew_is_denied_until_it_is_its_agents_again") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    lab.write_policy("stays", ALLOW_ALWAYS);
    let daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "stays", &[ALWAYS, NEVER]);
    let mut own = 0;
    for _ in 0..ROUNDS {
        let mut agent = anew(&lab);
        assert_eq!(send(&mut agent, NEVER, 5), 0);
        own += eventually("the cgroup to be the agent's", || {
            let sent = send(&mut agent, ALWAYS, 1);
            (sent == 1).then_some(sent)
        });
        assert_eq!(send(&mut agent, NEVER, 5), 0);
    }
    daemon.ok(&["quarantine", "worker", "--reason", "test"]);
    for _ in 0..ROUNDS {
        let mut agent = anew(&lab);
        let before = quarantined(&lab);
        eventually("the cgroup to be the agent's", || {
            assert_eq!(send(&mut agent, ALWAYS, 1), 0, "a quarantine is the agent's");
            (quarantined(&lab) > before).then_some(())
        });
    }
    let sent = traffic.end();
    assert_eq!((sent[0].refused, sent[1].sent), (0, 0), "{sent:?}");
    assert_eq!(arrived(&lab, NEVER), 0);
    assert_eq!(arrived(&lab, ALWAYS), sent[0].sent + own);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Rule).packets, own);
}

#[test]
fn a_cgroup_made_anew_while_the_daemon_is_dead_is_denied_until_it_is_back() {
    if !privileged("a_cgroup_made_anew_while_the_daemon_is_dead_is_denied_until_it_is_back") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    lab.write_policy("stays", ALLOW_ALWAYS);
    let mut daemon = Daemon::start(&lab);
    let traffic = Traffic::begin(&lab, "stays", &[ALWAYS, NEVER]);
    let (mut own, mut denied) = (0, 0);
    for _ in 0..3 {
        daemon.kill9();
        let mut agent = anew(&lab);
        assert_eq!(send(&mut agent, NEVER, 5) + send(&mut agent, ALWAYS, 5), 0);
        denied += 2;
        let unbound = pins::counter(&lab, None, Reason::UnboundAgent).sockets;
        assert!(unbound >= denied, "with its own reason: {unbound}");
        daemon.restart();
        own += send(&mut agent, ALWAYS, 5);
        assert_eq!(send(&mut agent, NEVER, 5), 0);
    }
    assert_eq!(own, 15, "the same sockets' agent has its cgroup back");
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::NoRule).packets, 15);
    let sent = traffic.end();
    assert_eq!((sent[0].refused, sent[1].sent), (0, 0), "{sent:?}");
    assert_eq!((arrived(&lab, NEVER), arrived(&lab, ALWAYS)), (0, sent[0].sent + own));
}

/// Removes the worker's cgroup, makes it again at once, and starts a process in
/// it. The daemon may be faster in making it; it is another one all the same.
fn anew(lab: &Lab) -> Agent {
    use std::os::unix::fs::MetadataExt;
    let path = lab.cgroup("worker");
    let id = || fs::metadata(&path).expect("the cgroup").ino();
    let before = id();
    eventually("the cgroup to be empty", || fs::remove_dir(&path).ok());
    let agent = lab.agent("worker");
    assert_ne!(id(), before);
    agent
}

/// Datagrams and sockets refused because the worker is cut off.
fn quarantined(lab: &Lab) -> u64 {
    let counter = pins::counter(lab, Some("worker"), Reason::Quarantined);
    counter.packets + counter.sockets
}

/// How many of so many datagrams the kernel took. Nobody's cgroup does not even
/// get a socket.
fn send(agent: &mut Agent, (address, port): (&str, u16), count: u64) -> u64 {
    let answer = agent.act(&format!("udp unconnected {address} {port} {count}"));
    if answer.errno() == "EPERM" { 0 } else { answer.number("sent") }
}
