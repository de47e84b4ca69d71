//! Another build of the programs takes over, and hands back, under load: each
//! link gets its new program in place, and not one packet falls in between.

use enforcer_common::Reason;
use enforcer_tests::traffic::{ALLOW_ALWAYS, ALWAYS, NEVER};
use enforcer_tests::{Daemon, Lab, TRIPWIRE, Traffic, binaries, other_build, pins, privileged};

#[test]
fn another_build_takes_over_and_hands_back_without_a_gap() {
    if !privileged("another_build_takes_over_and_hands_back_without_a_gap") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", ALLOW_ALWAYS);
    lab.write_policy("outcast", &format!("{ALLOW_ALWAYS}{TRIPWIRE}"));
    let builds = [other_build::write(&lab), binaries::enforcer()];
    let mut daemon = Daemon::start(&lab);
    let (address, port) = NEVER;
    lab.agent("outcast").act(&format!("udp unconnected {address} {port} 3"));
    let traffic = Traffic::begin(&lab, "worker", &[ALWAYS, NEVER]);
    let outcast = Traffic::begin(&lab, "outcast", &[NEVER]);
    let ours = other_build::tags(&lab.bpf_dir());
    for change in 0..changes() {
        // Half of the daemons end in peace, half do not.
        if change / 2 % 2 == 0 {
            daemon.kill9()
        } else {
            assert!(daemon.stop())
        }
        let build = &builds[change % 2];
        daemon.take_build(build);
        daemon.restart();
        let now = other_build::tags(&lab.bpf_dir());
        assert!(now.keys().eq(ours.keys()), "{now:?}");
        let same: Vec<_> = now.iter().filter(|(link, tag)| ours[*link] == **tag).collect();
        assert_eq!(same.len(), if change % 2 == 0 { 0 } else { ours.len() }, "{same:?}");
        assert_eq!(daemon.json(&["status"])["adopted"], true);
    }
    let sent = traffic.settle(&lab);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Rule).packets, sent[0].sent);
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::NoRule).packets, sent[1].attempts);
    let outcast = outcast.end();
    assert_eq!(outcast[0].sent, 0, "{outcast:?}");
    assert_eq!(pins::counter(&lab, Some("outcast"), Reason::NoRule).packets, 3);
    daemon.ok(&["audit", "verify"]);
}

/// There and back: ten times, or twice where the processor is emulated.
fn changes() -> usize {
    if std::env::var_os("ENFORCER_GUEST").is_some() { 4 } else { 20 }
}
