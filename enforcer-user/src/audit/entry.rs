//! One entry, and the hash that binds it to the one before.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `prev` of the first entry.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Number in the log, from 1, without gaps.
    pub seq: u64,
    /// When it was written, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Hash of the entry before; zeros for the first.
    pub prev: String,
    /// SHA-256, hexadecimal, of `prev` and the canonical JSON (keys sorted, no
    /// spaces; events hold no fractions, so this is RFC 8785) of `seq`, `time`
    /// and `event`.
    pub hash: String,
    /// What happened, as the daemon told it.
    pub event: Value,
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: String,
}

// === impl Link ===

impl Default for Link {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.into() }
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn after(link: &Link, time: OffsetDateTime, event: Value) -> Self {
        let (seq, prev) = (link.seq + 1, link.hash.clone());
        let mut entry = Self { seq, time, prev, hash: String::new(), event };
        entry.hash = entry.digest();
        entry
    }

    pub(super) fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash.clone() }
    }

    /// The hash this entry should have.
    pub(super) fn digest(&self) -> String {
        let time = self.time.format(&Rfc3339).unwrap_or_default();
        let body = json!({ "seq": self.seq, "time": time, "event": self.event });
        let mut text = String::new();
        canonical(&body, &mut text);
        let digest = Sha256::new().chain_update(&self.prev).chain_update(text).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The line, without its newline.
    pub(super) fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// Keys sorted whatever `serde_json` is built with.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            list(out, '{', '}', keys, |key, out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(&map[key], out);
            });
        }
        Value::Array(items) => list(out, '[', ']', items, canonical),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

fn list<T>(
    out: &mut String,
    open: char,
    close: char,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(close);
}
