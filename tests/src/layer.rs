//! What the daemon says of the kernel's security hooks, and the events of the
//! programs there.

use enforcer_common::{Hook, Reason};
use serde_json::Value;

use crate::daemon::Daemon;
use crate::skip;
use crate::wait::eventually;

/// What `status` begins with where all of them hold.
pub const EVERY_HOOK: &str = "28 of 28 hooks";

/// Whether the programs at the security hooks are called on this kernel, by
/// BPF LSM or by fmod_ret.
pub fn has_lsm(daemon: &Daemon<'_>) -> bool {
    let lsm = daemon.json(&["status"])["lsm"].as_str().unwrap_or_default().to_owned();
    assert!(lsm.starts_with("none") || lsm.starts_with(EVERY_HOOK), "{lsm}");
    !lsm.starts_with("none")
}

/// As [`has_lsm`]; says so as a skip of `test` otherwise.
pub fn needs_lsm(test: &str, daemon: &Daemon<'_>) -> bool {
    let holds = has_lsm(daemon);
    if !holds {
        skip(test, "this kernel calls no program at its security hooks");
    }
    holds
}

/// Waits for an event of the agent `worker` with this hook and reason.
#[track_caller]
pub fn event_of(daemon: &Daemon<'_>, hook: Hook, reason: Reason) -> Value {
    let is = |event: &Value| {
        event["agent"] == "worker"
            && event["hook"] == hook.as_str()
            && event["reason"] == reason.as_str()
            && event["kind"] != "quarantined"
    };
    let what = format!("an event of {} for {}", hook.as_str(), reason.as_str());
    eventually(&what, || daemon.events().into_iter().find(is))
}
