//! What an event means to the rules.

use enforcer_common::Reason;

use crate::events::{Event, EventKind};

/// What an event means to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Violation,
    /// A violation too: the kernel's tripwire counts it.
    Tampering,
    Refusal,
    Alarm,
    Connection {
        /// To an address that the agent never connected to before.
        first: bool,
    },
}

/// What the event means; `None` when no rule counts it: shadows of audit mode,
/// denials because of the quarantine itself, the self-check, and quarantines
/// that the daemon made (they have no kernel time).
pub(super) fn sign(event: &Event) -> Option<Sign> {
    let violation =
        || event.reason.as_deref().and_then(Reason::from_word).is_some_and(Reason::is_violation);
    match event.kind {
        EventKind::Denied => violation().then_some(Sign::Violation),
        EventKind::Tamper => violation().then_some(Sign::Tampering),
        EventKind::RateLimited => Some(Sign::Refusal),
        EventKind::Quarantined => (event.ktime_ns != 0).then_some(Sign::Alarm),
        EventKind::Connected => Some(Sign::Connection { first: false }),
        EventKind::WouldDeny
        | EventKind::Disconnected
        | EventKind::Adopted
        | EventKind::Released
        | EventKind::Revocation
        | EventKind::Policy
        | EventKind::Lost
        | EventKind::Daemon => None,
    }
}
