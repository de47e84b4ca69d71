//! Entries in the words of others: OCSF and ECS. An entry is mapped by itself,
//! so that an export can begin anywhere, and nothing of it is dropped: what has
//! no field of its own there stands under `unmapped` or `labels`.

mod ecs;
mod ocsf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry::Entry;
use crate::config::ExportFormat;
use crate::events::Event;

pub use ecs::{ECS_VERSION, ecs};
pub use ocsf::{OCSF_VERSION, ocsf};

// === impl ExportFormat ===

impl ExportFormat {
    /// One line without its newline; `host` is the name of the host it is of.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn line(self, entry: &Entry, host: &str) -> Result<String, serde_json::Error> {
        match self {
            Self::Jsonl => entry.line(),
            Self::Ecs => serde_json::to_string(&ecs(entry, host)),
            Self::Ocsf => serde_json::to_string(&ocsf(entry, host)),
        }
    }
}

/// The name of this host, for [`ExportFormat::line`].
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// The event in it; `None` where it is not one that this version knows.
fn event_of(entry: &Entry) -> Option<Event> {
    Event::deserialize(&entry.event).ok()
}

/// The transport port that DNS is asked at (RFC 1035, section 4.2). Bytes are
/// not read: this is what a flow there is taken for.
fn is_dns(event: &Event) -> bool {
    event.destination.as_ref().is_some_and(|to| to.port == 53)
}

/// Members without a value are left out, everywhere: neither schema takes null.
fn filled(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().map(|(key, value)| (key, filled(value)));
            let kept: Map<_, _> = kept.filter(|(_, value)| !is_nothing(value)).collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.into_iter().map(filled).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}
