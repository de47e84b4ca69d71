//! An address that changes while the kernel reads it: what is judged is what is
//! used. Closed by the cgroup programs alone.

use enforcer_common::Reason;
use enforcer_tests::ledger::expect_refusals;
use enforcer_tests::{
    ALLOWED_V4, BASIC, Daemon, FORBIDDEN_V4, Lab, SINK_PORT, eventually, pins, privileged,
};

#[test]
fn an_address_that_changes_during_the_call_is_judged_as_it_is_used() {
    if !privileged("an_address_that_changes_during_the_call_is_judged_as_it_is_used") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let mut agent = lab.agent("worker");
    let rounds = if std::env::var_os("ENFORCER_GUEST").is_some() { 500 } else { 4000 };
    let (mut sent, mut refused) = (0, 0);
    for how in ["sendto", "sendmsg", "connect"] {
        let words = format!("race {how} {ALLOWED_V4} {FORBIDDEN_V4} {SINK_PORT} {rounds}");
        let answer = agent.expect_ok(&words);
        let [good, bad] = ["sent", "refused"].map(|way| answer.number(way));
        assert!(good > 0 && bad > 0 && good + bad >= rounds, "{how}: {}", answer.0);
        sent += good;
        refused += bad;
    }
    let arrived = || lab.peer.packets_to(ALLOWED_V4).len() as u64;
    eventually("what was sent", || (arrived() == sent).then_some(()));
    assert_eq!(pins::counter(&lab, Some("worker"), Reason::Rule).packets, sent);
    expect_refusals(&lab, &[(Reason::NoRule, refused)]);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
}
