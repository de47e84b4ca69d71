//! Which class an event is of, and what OCSF's numbers for it are.

use super::super::is_dns;
use crate::events::{Event, EventKind};

/// The classes used (OCSF 1.8.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// What is no network activity, and entries that this version has no event for.
    BaseEvent,
    DetectionFinding,
    AccountChange,
    EntityManagement,
    NetworkActivity,
    DnsActivity,
    ApplicationLifecycle,
    ApplicationError,
}

/// The numbers that tell one kind of event from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) class: Class,
    pub(super) activity: u32,
    /// Only with activity 99, "Other".
    pub(super) activity_name: Option<&'static str>,
    /// 1 informational, 2 low, 3 medium, 4 high, 5 critical.
    pub(super) severity: u32,
    /// 1 allowed, 2 denied, 3 observed.
    pub(super) action: Option<u32>,
    /// What it came to; the numbers are named in [`disposition`].
    pub(super) disposition: Option<u32>,
    /// 1 success (of a finding: new), 2 failure, 99 other.
    pub(super) status: Option<u32>,
    pub(super) alert: bool,
}

/// `disposition_id` of the profile `security_control`.
mod disposition {
    pub(super) const ALLOWED: u32 = 1;
    pub(super) const BLOCKED: u32 = 2;
    pub(super) const ISOLATED: u32 = 4;
    pub(super) const RESTORED: u32 = 9;
    pub(super) const DETECTED: u32 = 15;
    pub(super) const ALERT: u32 = 19;
    pub(super) const RESET: u32 = 21;
    pub(super) const ACCESS_REVOKED: u32 = 24;
}

const ALLOWED: Option<u32> = Some(1);
const DENIED: Option<u32> = Some(2);
const OBSERVED: Option<u32> = Some(3);
const SUCCESS: Option<u32> = Some(1);
const FAILURE: Option<u32> = Some(2);
const OTHER: u32 = 99;

pub(super) fn shape(event: &Event) -> Shape {
    match event.kind {
        EventKind::Denied | EventKind::RateLimited => refused(event),
        EventKind::WouldDeny => Shape {
            action: OBSERVED,
            disposition: Some(disposition::DETECTED),
            status: SUCCESS,
            ..flow(event, 6)
        },
        EventKind::Connected => Shape {
            action: ALLOWED,
            disposition: Some(disposition::ALLOWED),
            status: SUCCESS,
            ..flow(event, 1)
        },
        EventKind::Disconnected => Shape {
            action: DENIED,
            disposition: Some(disposition::RESET),
            severity: 3,
            ..Shape::of(Class::NetworkActivity, 3)
        },
        EventKind::Quarantined => finding(4, DENIED, disposition::ISOLATED),
        EventKind::Tamper if event.verdict.is_some() => finding(4, DENIED, disposition::BLOCKED),
        EventKind::Tamper => finding(5, OBSERVED, disposition::DETECTED),
        EventKind::Revocation => revocation(event),
        EventKind::Released => Shape {
            disposition: Some(disposition::RESTORED),
            status: SUCCESS,
            severity: 2,
            ..Shape::of(Class::EntityManagement, 13)
        },
        EventKind::Adopted => Shape { status: SUCCESS, ..Shape::of(Class::EntityManagement, 6) },
        EventKind::Policy => policy(event),
        EventKind::Lost => Shape { severity: 3, ..Shape::of(Class::ApplicationError, 1) },
        EventKind::Daemon => daemon(event),
    }
}

fn refused(event: &Event) -> Shape {
    Shape {
        action: DENIED,
        disposition: Some(disposition::BLOCKED),
        status: FAILURE,
        severity: 3,
        ..flow(event, 5)
    }
}

/// A flow to where DNS is asked is DNS activity: a query, whatever became of it.
/// A device file or a setting of the kernel is no network at all.
fn flow(event: &Event, activity: u32) -> Shape {
    if event.proto.is_none() && event.destination.is_none() {
        Shape { activity_name: Some("Access"), ..Shape::of(Class::BaseEvent, OTHER) }
    } else if is_dns(event) {
        Shape::of(Class::DnsActivity, 1)
    } else {
        Shape::of(Class::NetworkActivity, activity)
    }
}

fn finding(severity: u32, action: Option<u32>, disposition: u32) -> Shape {
    Shape {
        severity,
        action,
        disposition: Some(disposition),
        status: SUCCESS,
        alert: true,
        ..Shape::of(Class::DetectionFinding, 1)
    }
}

/// "Disable" whatever the step: `status_code` says which, `status_id` whether
/// the credential is dead (1), may live on (2), or is still being worked on (99).
fn revocation(event: &Event) -> Shape {
    let of = |status, severity| Shape {
        status: Some(status),
        severity,
        ..Shape::of(Class::AccountChange, 5)
    };
    match event.reason.as_deref() {
        Some("confirmed") => {
            Shape { disposition: Some(disposition::ACCESS_REVOKED), action: DENIED, ..of(1, 3) }
        }
        Some("failed" | "no-revoker" | "over-budget") => Shape { alert: true, ..of(2, 5) },
        Some("retried") => of(2, 4),
        _ => of(OTHER, 3),
    }
}

/// Refusals begin with this word.
fn policy(event: &Event) -> Shape {
    let refused = event.message.as_deref().is_some_and(|text| text.starts_with("refused"));
    let (status, severity) = if refused { (FAILURE, 3) } else { (SUCCESS, 1) };
    Shape { status, severity, ..Shape::of(Class::EntityManagement, 3) }
}

fn daemon(event: &Event) -> Shape {
    if event.reason.as_deref() == Some("alert") {
        return finding(4, OBSERVED, disposition::ALERT);
    }
    let message = event.message.as_deref().unwrap_or_default();
    let says = |word| message.starts_with(word);
    match (says("started"), says("stopped") || says("failed; ")) {
        (true, _) => Shape::of(Class::ApplicationLifecycle, 3),
        (_, true) => Shape { severity: 2, ..Shape::of(Class::ApplicationLifecycle, 4) },
        (false, false) => {
            Shape { activity_name: Some("Notice"), ..Shape::of(Class::ApplicationLifecycle, OTHER) }
        }
    }
}

// === impl Class, Shape ===

impl Class {
    /// `class_uid`; its thousands are the category.
    pub(super) const fn uid(self) -> u32 {
        match self {
            Self::BaseEvent => 0,
            Self::DetectionFinding => 2004,
            Self::AccountChange => 3001,
            Self::EntityManagement => 3004,
            Self::NetworkActivity => 4001,
            Self::DnsActivity => 4003,
            Self::ApplicationLifecycle => 6002,
            Self::ApplicationError => 6008,
        }
    }
}

impl Shape {
    /// Informational, with nothing done about it.
    pub(super) const fn of(class: Class, activity: u32) -> Self {
        Self {
            class,
            activity,
            activity_name: None,
            severity: 1,
            action: None,
            disposition: None,
            status: None,
            alert: false,
        }
    }
}
