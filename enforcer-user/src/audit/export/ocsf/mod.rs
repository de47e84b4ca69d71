//! OCSF: the members that every class has, and those of each.

mod class;
mod parts;

use serde_json::{Value, json};
use time::OffsetDateTime;

use self::class::{Class, Shape, shape};
use self::parts::{actor, connection, details, endpoint, title};
use super::super::entry::Entry;
use super::{event_of, filled};
use crate::events::Event;

/// The version of the schema (<https://schema.ocsf.io/1.8.0>).
pub const OCSF_VERSION: &str = "1.8.0";

/// Profiles that add `device`, `actor`, and what was done about it.
const PROFILES: [&str; 2] = ["host", "security_control"];

/// The entry as an OCSF event. What this version has no event for is a base
/// event that holds it whole.
pub fn ocsf(entry: &Entry, host: &str) -> Value {
    let Some(event) = event_of(entry) else { return unknown(entry, host) };
    let shape = shape(&event);
    let mut of_all = frame(entry, host, &shape);
    merge(&mut of_all, of_class(&shape, &event, entry, host));
    merge(&mut of_all, said(&shape, &event));
    filled(of_all)
}

fn frame(entry: &Entry, host: &str, shape: &Shape) -> Value {
    let class = shape.class.uid();
    json!({
        "category_uid": class / 1000,
        "class_uid": class,
        "activity_id": shape.activity,
        "activity_name": shape.activity_name,
        "type_uid": class * 100 + shape.activity,
        "time": milliseconds(entry.time),
        "severity_id": shape.severity,
        "metadata": {
            "version": OCSF_VERSION,
            "profiles": PROFILES,
            "product": product(),
            "log_name": "audit",
            "logged_time": milliseconds(entry.time),
            "sequence": entry.seq,
            "uid": entry.hash,
        },
        "device": { "hostname": host, "type_id": 0 },
    })
}

/// When it happened, what was done about it, and what has no member of its own.
fn said(shape: &Shape, event: &Event) -> Value {
    json!({
        "time": milliseconds(event.time),
        "message": event.message,
        "action_id": shape.action,
        "disposition_id": shape.disposition,
        "status_id": shape.status,
        "status_code": event.reason,
        "is_alert": shape.alert.then_some(true),
        "actor": actor(event),
        "firewall_rule": event.rule.as_ref().map(|rule| json!({ "name": rule })),
        "unmapped": details(event),
    })
}

fn of_class(shape: &Shape, event: &Event, entry: &Entry, host: &str) -> Value {
    match shape.class {
        Class::NetworkActivity | Class::DnsActivity => json!({
            "src_endpoint": { "hostname": host },
            "dst_endpoint": endpoint(event),
            "connection_info": connection(event),
            "count": event.sockets,
        }),
        Class::DetectionFinding => json!({
            "finding_info": {
                "uid": entry.hash,
                "title": title(event),
                "desc": event.message,
                "created_time": milliseconds(event.time),
                "product": product(),
                "types": [event.kind.as_str()],
            },
        }),
        Class::AccountChange => json!({ "user": {
            "uid": event.credentials.first().map_or("unknown", String::as_str),
            "credential_uid": event.credentials.first(),
            "name": event.agent,
            "type_id": 4,
        } }),
        Class::EntityManagement => json!({ "entity": parts::entity(event) }),
        Class::ApplicationLifecycle => json!({ "app": {
            "name": "enforcer", "version": env!("CARGO_PKG_VERSION"),
        } }),
        Class::BaseEvent | Class::ApplicationError => json!({}),
    }
}

fn unknown(entry: &Entry, host: &str) -> Value {
    let shape = Shape { activity_name: None, ..Shape::of(Class::BaseEvent, 0) };
    let mut base = frame(entry, host, &shape);
    merge(&mut base, json!({ "unmapped": { "event": entry.event } }));
    filled(base)
}

fn product() -> Value {
    json!({ "name": "enforcer", "vendor_name": "enforcer", "version": env!("CARGO_PKG_VERSION") })
}

/// OCSF's `timestamp_t`: milliseconds since 1970.
fn milliseconds(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1000 + i64::from(time.millisecond())
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
