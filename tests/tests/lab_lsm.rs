//! Sockets that no hook on the agent's cgroup sees: the programs at the security hooks
//! refuse them.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use enforcer_common::{Hook, Reason};
use enforcer_tests::layer::{event_of, needs_lsm};
use enforcer_tests::{ALLOWED_V4, Agent, BASIC, Daemon, Lab, SINK_PORT, privileged};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

#[test]
fn sockets_of_other_families_are_refused() {
    const TEST: &str = "sockets_of_other_families_are_refused";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let mut agent = lab.agent("worker");
    // Packet, vsock, ALG, socket diagnosis, and packet by its old name.
    for (family, kind, protocol) in [(17, 3, 0), (40, 1, 0), (38, 5, 0), (16, 3, 4), (2, 10, 0)] {
        agent.expect_refused(&format!("socket {family} {kind} {protocol}"));
    }
    for (family, kind, protocol) in [(1, 1, 0), (2, 1, 0), (10, 2, 0), (16, 3, 0)] {
        agent.expect_ok(&format!("socket {family} {kind} {protocol}"));
    }
    assert_eq!(event_of(&daemon, Hook::SocketCreate, Reason::SocketType)["kind"], "denied");
}

#[test]
fn a_socket_that_was_made_outside_is_of_no_use() {
    const TEST: &str = "a_socket_that_was_made_outside_is_of_no_use";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let (udp, listener) = lab.host.run(|| {
        let udp = UdpSocket::bind("0.0.0.0:0").expect("a socket outside");
        (udp, TcpListener::bind("127.0.0.1:0").expect("a listener outside"))
    });
    let (here, there) = UnixDatagram::pair().expect("a pair of sockets");
    let handed = [udp.as_fd(), listener.as_fd(), there.as_fd()];
    let mut agent = Agent::with_descriptors(&lab, &lab.cgroup("worker"), &handed);
    agent.expect_refused(&format!("handed send 10 {ALLOWED_V4}:{SINK_PORT}"));
    agent.expect_refused(&format!("handed connect 10 {ALLOWED_V4}:{SINK_PORT}"));
    agent.expect_refused("handed accept 11 -");
    let descriptor = [std::os::fd::AsRawFd::as_raw_fd(&udp)];
    let passed = [ControlMessage::ScmRights(&descriptor)];
    let data = [std::io::IoSlice::new(b"take this")];
    let fd = std::os::fd::AsRawFd::as_raw_fd(&here);
    sendmsg::<()>(fd, &data, &passed, MsgFlags::empty(), None).expect("pass a socket");
    assert_eq!(agent.expect_ok("handed receive 12 -").number("fds"), 0);
    for hook in [Hook::SocketSendmsg, Hook::SocketConnect, Hook::SocketAccept, Hook::FileReceive] {
        assert_eq!(event_of(&daemon, hook, Reason::ForeignSocket)["kind"], "denied");
    }
    assert_eq!(lab.peer.packets(), []);
}

#[test]
fn a_deputy_is_reached_only_by_a_name_of_the_policy() {
    const TEST: &str = "a_deputy_is_reached_only_by_a_name_of_the_policy";
    if !privileged(TEST) {
        return;
    }
    let lab = Lab::new();
    let [named, other, letters, own] = ["named", "other", "letters", "own"].map(|n| lab.path(n));
    let grants = format!("[process]\nunix = [\"{}\"]\n", named.display());
    lab.write_policy("worker", &format!("{grants}{BASIC}"));
    let daemon = Daemon::start(&lab);
    if !needs_lsm(TEST, &daemon) {
        return;
    }
    let _listeners = [&named, &other].map(|path| UnixListener::bind(path).expect("listen"));
    let _letters = UnixDatagram::bind(&letters).expect("bind");
    let (_here, there) = UnixStream::pair().expect("a pair of sockets");
    let mut agent = Agent::with_descriptors(&lab, &lab.cgroup("worker"), &[there.as_fd()]);
    agent.expect_refused(&format!("unix stream {}", other.display()));
    agent.expect_refused(&format!("unix send {}", letters.display()));
    agent.expect_refused("write-fd 10 x");
    let hooks = [Hook::UnixStreamConnect, Hook::UnixMaySend, Hook::SocketSendmsg];
    for hook in hooks {
        assert_eq!(event_of(&daemon, hook, Reason::UnixPeer)["kind"], "denied");
    }
    agent.expect_ok(&format!("unix stream {}", named.display()));
    agent.expect_ok(&format!("unix-listen {}", own.display()));
    agent.expect_ok(&format!("unix stream {}", own.display()));
    let _gone = fs::remove_file(&own);
}
