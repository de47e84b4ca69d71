//! What the kernel has counted against the agent `worker`: all of it.

use enforcer_common::{Reason, Verdict};

use crate::lab::Lab;
use crate::pins;

/// Refusals by reason, whatever was refused: packets, connections, calls.
pub fn refusals(lab: &Lab) -> Vec<(Reason, u64)> {
    let counters = pins::counters(lab, Some("worker")).into_iter();
    let denied = counters.filter(|(reason, _)| reason.verdict() == Verdict::Deny);
    denied.map(|(reason, c)| (reason, c.packets + c.connections + c.sockets)).collect()
}

/// Asserts that these are all, in the order of their codes.
#[track_caller]
pub fn expect_refusals(lab: &Lab, expected: &[(Reason, u64)]) {
    assert_eq!(refusals(lab), expected);
}
