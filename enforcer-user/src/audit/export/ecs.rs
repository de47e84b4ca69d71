//! Elastic Common Schema.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::entry::Entry;
use super::{event_of, filled, is_dns};
use crate::events::{Event, EventKind};

/// The version of the schema.
pub const ECS_VERSION: &str = "9.4.0";

/// The entry as a document of ECS. What this version has no event for is kept
/// whole in `event.original`.
pub fn ecs(entry: &Entry, host: &str) -> Value {
    let event = event_of(entry);
    let of_event = event.as_ref().map_or_else(
        || json!({ "kind": "event", "original": entry.event.to_string() }),
        |event| described(entry, event),
    );
    let mut document = json!({
        "@timestamp": stamp(event.as_ref().map_or(entry.time, |event| event.time)),
        "ecs": { "version": ECS_VERSION },
        "event": of_event,
        "host": { "hostname": host },
        "observer": { "product": "enforcer", "type": "firewall", "version": env!("CARGO_PKG_VERSION") },
    });
    document["event"]["hash"] = entry.hash.as_str().into();
    document["event"]["sequence"] = entry.seq.into();
    document["event"]["created"] = stamp(entry.time).into();
    document["event"]["module"] = "enforcer".into();
    document["event"]["dataset"] = "enforcer.audit".into();
    if let (Some(event), Value::Object(document)) = (&event, &mut document) {
        document.extend(subjects(event));
    }
    filled(document)
}

/// `event.*`: allowed values are ECS's own.
fn described(entry: &Entry, event: &Event) -> Value {
    let words = words(event);
    json!({
        "id": entry.hash,
        "kind": words.kind,
        "category": words.category,
        "type": words.types,
        "outcome": words.outcome,
        "action": event.kind.as_str(),
        "reason": event.reason,
    })
}

/// Where it went, who asked, and which rule decided.
fn subjects(event: &Event) -> serde_json::Map<String, Value> {
    let to = event.destination.as_ref();
    let credentials = (!event.credentials.is_empty()).then(|| event.credentials.join(","));
    let value = json!({
        "message": event.message,
        "destination": to.map(|to| json!({
            "ip": to.ip,
            "port": (to.port != 0).then_some(to.port),
            "domain": to.name,
        })),
        "network": network(event),
        "process": event.process.as_ref().map(|process| json!({
            "pid": process.pid, "name": process.comm, "executable": process.exe,
        })),
        "user": event.process.as_ref().map(|process| json!({ "id": process.uid.to_string() })),
        "rule": event.rule.as_ref().map(|rule| json!({ "name": rule })),
        "labels": {
            "agent": event.agent,
            "credential": credentials,
            "hook": event.hook,
            "verdict": event.verdict,
            "policy_generation": event.policy_generation.to_string(),
            "suppressed": (event.suppressed > 0).then(|| event.suppressed.to_string()),
            "sockets": event.sockets.map(|sockets| sockets.to_string()),
        },
    });
    let Value::Object(map) = value else { return serde_json::Map::new() };
    map
}

/// Only of flows; `network.transport` is a word, `network.iana_number` what has none.
fn network(event: &Event) -> Option<Value> {
    let proto = event.proto.as_deref()?;
    let number = proto.parse::<u8>().ok();
    Some(json!({
        "direction": "egress",
        "transport": number.is_none().then_some(proto),
        "iana_number": number.map(|number| number.to_string()),
        "protocol": is_dns(event).then_some("dns"),
        "type": event.destination.as_ref().map(|to| if to.ip.is_ipv6() { "ipv6" } else { "ipv4" }),
    }))
}

struct Words {
    kind: &'static str,
    category: &'static [&'static str],
    types: &'static [&'static str],
    outcome: &'static str,
}

const fn words_of(
    kind: &'static str,
    category: &'static [&'static str],
    types: &'static [&'static str],
    outcome: &'static str,
) -> Words {
    Words { kind, category, types, outcome }
}

fn words(event: &Event) -> Words {
    match event.kind {
        EventKind::Denied | EventKind::RateLimited => {
            words_of("event", &["network"], &["connection", "denied"], "failure")
        }
        EventKind::WouldDeny => words_of("event", &["network"], &["connection", "info"], "success"),
        EventKind::Connected => {
            words_of("event", &["network"], &["connection", "allowed"], "success")
        }
        EventKind::Disconnected => {
            words_of("event", &["network"], &["connection", "end"], "success")
        }
        EventKind::Quarantined => {
            words_of("alert", &["intrusion_detection", "network"], &["denied"], "success")
        }
        EventKind::Tamper => words_of("alert", &["intrusion_detection"], &["info"], "unknown"),
        EventKind::Revocation => revocation(event.reason.as_deref()),
        EventKind::Released | EventKind::Adopted => {
            words_of("event", &["configuration"], &["change"], "success")
        }
        EventKind::Policy if refused(event) => {
            words_of("event", &["configuration"], &["change"], "failure")
        }
        EventKind::Policy => words_of("event", &["configuration"], &["change"], "success"),
        EventKind::Lost => words_of("event", &["host"], &["info"], "failure"),
        EventKind::Daemon if event.reason.as_deref() == Some("alert") => {
            words_of("alert", &["intrusion_detection"], &["info"], "unknown")
        }
        EventKind::Daemon => words_of("event", &["host"], &["info"], "unknown"),
    }
}

fn revocation(step: Option<&str>) -> Words {
    let outcome = match step {
        Some("confirmed") => "success",
        Some("failed" | "no-revoker" | "over-budget" | "retried") => "failure",
        _ => "unknown",
    };
    words_of("event", &["iam"], &["user", "change"], outcome)
}

fn refused(event: &Event) -> bool {
    event.message.as_deref().is_some_and(|text| text.starts_with("refused"))
}

fn stamp(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
