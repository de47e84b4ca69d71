//! Objects of OCSF that more than one class has.

use serde_json::{Value, json};

use crate::events::{Event, EventKind};

pub(super) fn endpoint(event: &Event) -> Option<Value> {
    let to = event.destination.as_ref()?;
    let port = (to.port != 0).then_some(to.port);
    Some(json!({ "ip": to.ip, "port": port, "hostname": to.name }))
}

/// Outbound (2) always: nothing else is judged.
pub(super) fn connection(event: &Event) -> Value {
    let (name, number) = match event.proto.as_deref() {
        None => (None, None),
        Some("tcp") => (Some("tcp"), Some(6)),
        Some("udp") => (Some("udp"), Some(17)),
        Some("icmp") => match event.destination.as_ref().map(|to| to.ip.is_ipv6()) {
            Some(true) => (Some("ipv6-icmp"), Some(58)),
            _ => (Some("icmp"), Some(1)),
        },
        Some(number) => (None, number.parse::<u8>().ok()),
    };
    let version = event.destination.as_ref().map(|to| if to.ip.is_ipv6() { 6 } else { 4 });
    json!({
        "direction_id": 2,
        "protocol_name": name,
        "protocol_num": number,
        "protocol_ver_id": version,
    })
}

/// The agent is the application, the process and its user are the host's.
pub(super) fn actor(event: &Event) -> Value {
    let process = event.process.as_ref().map(|process| {
        json!({
            "pid": process.pid,
            "name": process.comm,
            "path": process.exe,
            "user": { "uid": process.uid.to_string() },
        })
    });
    json!({ "app_name": event.agent, "process": process })
}

pub(super) fn entity(event: &Event) -> Value {
    if event.kind == EventKind::Policy {
        let version = event.policy_generation.to_string();
        return json!({ "type_id": 5, "name": "policies", "version": version });
    }
    let name = event.agent.as_deref().unwrap_or("unassigned");
    json!({ "type_id": 99, "type": "agent", "name": name })
}

pub(super) fn title(event: &Event) -> String {
    let what = event.kind.as_str();
    event.agent.as_ref().map_or_else(|| what.to_owned(), |agent| format!("agent {agent}: {what}"))
}

/// What OCSF has no member for.
pub(super) fn details(event: &Event) -> Value {
    json!({
        "kind": event.kind.as_str(),
        "verdict": event.verdict,
        "hook": event.hook,
        "event_seq": event.seq,
        "policy_generation": event.policy_generation,
        "credentials": (!event.credentials.is_empty()).then_some(&event.credentials),
        "suppressed": (event.suppressed > 0).then_some(event.suppressed),
    })
}
