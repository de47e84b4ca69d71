//! Sockets that no packet hook of a cgroup sees. Closed by `enforcer exec`, and
//! by BPF LSM; the cgroup programs alone refuse only their options.

use enforcer_common::Reason;
use enforcer_tests::confined::{self, expect_closed};
use enforcer_tests::ledger::refusals;
use enforcer_tests::tap::Tap;
use enforcer_tests::{
    ALLOWED_V4, Agent, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, Lab, SINK_PORT, binaries,
    eventually, privileged,
};

/// Ways to hand a frame to an interface.
const FRAMES: [&str; 5] = ["raw", "cooked", "bypass", "ring", "old"];
/// `AF_XDP`, `AF_VSOCK`, `AF_RDS`, `AF_SMC`, `AF_TIPC`, `AF_ALG`, `AF_KEY`, `AF_KCM`,
/// `AF_QIPCRTR`, `AF_CAN`, `AF_NFC`, `AF_CAIF`, `AF_PPPOX`, `AF_LLC`, `AF_APPLETALK`,
/// `AF_X25`; netlink between processes, for connectors, audit, generic, firewall.
const OTHERS: [&str; 22] = [
    "44 3 0", "40 1 0", "40 2 0", "21 5 0", "43 1 0", "30 1 0", "30 4 0", "38 5 0", "15 3 2",
    "41 2 0", "42 2 0", "29 3 1", "39 3 0", "37 1 0", "24 1 0", "26 1 0", "5 2 0", "16 3 2",
    "16 3 11", "16 3 9", "16 3 16", "16 3 12",
];

#[test]
fn no_agent_hands_a_frame_to_an_interface() {
    if !privileged("no_agent_hands_a_frame_to_an_interface") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    let mut tap = Tap::start(&lab.far);
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        for how in FRAMES {
            expect_closed(layer, &mut agent, &frame(how));
        }
        let seen = tap.saw_before_next(&mut agent, &FORBIDDEN);
        assert!(!seen, "{layer}: a frame for the forbidden address is on the wire");
    }
    let mut outside = Agent::of(&mut lab.command(binaries::lab_agent()));
    for how in FRAMES {
        let mut tap = Tap::start(&lab.far);
        outside.expect_ok(&frame(how));
        eventually(&format!("the frame of {how}"), || tap.saw(&FORBIDDEN).then_some(()));
    }
}

/// The bytes of the forbidden address.
const FORBIDDEN: [u8; 4] = [10, 77, 0, 3];

fn frame(how: &str) -> String {
    format!("frame {how} wire {FORBIDDEN_V4} {SINK_PORT}")
}

/// `AF_MAX` of `include/linux/socket.h`.
const NO_FAMILY: u32 = 46;

#[test]
fn sockets_of_every_other_family_are_refused() {
    if !privileged("sockets_of_every_other_family_are_refused") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    for (layer, mut agent) in confined::agents(&lab, &daemon) {
        for socket in OTHERS {
            expect_closed(layer, &mut agent, &format!("socket {socket}"));
        }
        for family in 0..64 {
            let judged = [1, 2, 10, 16].contains(&family);
            let words = format!("socket {family} 2 0");
            // Families that this kernel has not got are refused as well; numbers that no
            // kernel has, by nobody in particular.
            if family >= NO_FAMILY {
                assert!(!agent.act(&words).ok(), "{layer}: {words}");
            } else if !judged {
                expect_closed(layer, &mut agent, &words);
            }
        }
        for usual in ["1 1 0", "1 2 0", "16 3 0", "2 1 0", "10 2 0"] {
            agent.expect_ok(&format!("socket {usual}"));
        }
        agent.expect_ok(&format!("udp-echo {ALLOWED_V4} {ECHO_PORT}"));
    }
}

/// What is left of it without the other layers: the ring and the way past the
/// queue, of which no program on the interface would see a thing.
#[test]
fn options_of_packet_sockets_are_refused_by_the_hooks() {
    if !privileged("options_of_packet_sockets_are_refused_by_the_hooks") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    let mut agent = confined::only_hooks(&lab, &mut daemon);
    agent.expect_refused(&frame("ring"));
    agent.expect_refused(&frame("bypass"));
    assert_eq!(refusals(&lab), [(Reason::SocketOption, 2)]);
}
