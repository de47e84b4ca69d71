//! Records into events. Bytes from the ring are judged like any input: what
//! does not fit is an error, never a panic.

use std::net::IpAddr;

use enforcer_common::{
    Address, Hook, NO_RULE, Protocol, Reason, Record, RecordKind, UnixRecord, UnknownCode,
};

use super::{Destination, Event, EventKind, Process};
use crate::compile::RuleInfo;

/// What the numbers in a record stand for.
pub trait Names {
    /// The agent that had a slot in a generation.
    fn agent(&self, slot: u32, generation: u32) -> Option<String>;
    /// The rule with this id in this policy.
    fn rule(&self, policy_id: u32, rule: u32) -> Option<RuleInfo>;
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not one record long.
    #[error("decode a record: {got} bytes instead of {}", Record::SIZE)]
    Length {
        /// Bytes found.
        got: usize,
    },
    /// A code that names nothing.
    #[error("decode a record: {0}")]
    Code(UnknownCode),
}

/// Bytes of the longer kind of ring entry.
const UNIX_RECORD: usize = size_of::<UnixRecord>();

/// Decodes the bytes of one ring entry. The process's program is not asked for
/// here ([`super::exe_of`]); the hub gives the number.
///
/// # Errors
/// The length is wrong, or a code is not in its vocabulary.
pub fn decode(bytes: &[u8], names: &impl Names) -> Result<Event, DecodeError> {
    let (head, path) = match bytes.len() {
        UNIX_RECORD => bytes.split_at(Record::SIZE),
        _ => (bytes, &[][..]),
    };
    let record = Record::from_bytes(head).ok_or(DecodeError::Length { got: bytes.len() })?;
    let code = DecodeError::Code;
    let kind = RecordKind::try_from(record.kind).map_err(code)?;
    let hook = Hook::try_from(record.hook).map_err(code)?;
    let reason = Reason::try_from(record.reason).map_err(code)?;
    let rule = rule_of(&record, names);
    Ok(Event {
        agent: names.agent(record.slot, record.generation),
        verdict: Some(verdict(kind).to_owned()),
        reason: Some(reason.as_str().to_owned()),
        hook: Some(hook.as_str().to_owned()),
        proto: protocol(Protocol(record.protocol)),
        destination: destination(&record),
        process: process(&record),
        rule: rule.as_ref().map(shown),
        policy_generation: record.generation,
        credentials: credentials(rule),
        suppressed: record.suppressed,
        message: message(kind, hook, record.detail, path),
        ..Event::at(event_kind(kind), record.ktime_ns)
    })
}

fn event_kind(kind: RecordKind) -> EventKind {
    match kind {
        RecordKind::Denied => EventKind::Denied,
        RecordKind::RateLimited => EventKind::RateLimited,
        RecordKind::Connected => EventKind::Connected,
        RecordKind::Quarantined => EventKind::Quarantined,
        RecordKind::WouldDeny => EventKind::WouldDeny,
        RecordKind::Tamper => EventKind::Tamper,
    }
}

/// What else the record says; `path` is the rest of a [`UnixRecord`].
fn message(kind: RecordKind, hook: Hook, detail: u32, path: &[u8]) -> Option<String> {
    if kind == RecordKind::Quarantined {
        return Some("cut off by the kernel's tripwire".to_owned());
    }
    if hook == Hook::Setsockopt {
        return Some(format!("socket option {} of level {}", detail & 0xffff, detail >> 16));
    }
    if hook == Hook::Device {
        return Some(format!("device {}:{}", detail >> 20, detail & 0xf_ffff));
    }
    (!path.is_empty()).then(|| format!("Unix socket {}", unix_name(path)))
}

/// As `ss(8)` shows it: `@` in front of an abstract name.
fn unix_name(path: &[u8]) -> String {
    let (mark, name) = match path {
        [0, name @ ..] => ("@", name),
        name => ("", name),
    };
    let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
    format!("{mark}{}", String::from_utf8_lossy(&name[..end]))
}

/// What the kernel did: audit mode lets the flow pass.
fn verdict(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Denied
        | RecordKind::RateLimited
        | RecordKind::Quarantined
        | RecordKind::Tamper => "deny",
        RecordKind::Connected | RecordKind::WouldDeny => "allow",
    }
}

/// The protocol's word, or its number; `None` where the kernel could not read it.
fn protocol(protocol: Protocol) -> Option<String> {
    match protocol {
        Protocol::ANY => None,
        Protocol::TCP => Some("tcp".to_owned()),
        Protocol::UDP => Some("udp".to_owned()),
        Protocol::ICMP | Protocol::ICMPV6 => Some("icmp".to_owned()),
        Protocol(number) => Some(number.to_string()),
    }
}

/// All zero means unreadable: `::` itself is judged as the loopback address.
fn destination(record: &Record) -> Option<Destination> {
    (record.destination != [0; 16]).then(|| Destination {
        ip: IpAddr::from(Address(record.destination)),
        port: record.port,
        name: None,
    })
}

fn process(record: &Record) -> Option<Process> {
    let end = record.comm.iter().position(|&b| b == 0).unwrap_or(record.comm.len());
    let comm = String::from_utf8_lossy(&record.comm[..end]).into_owned();
    (record.pid != 0).then_some(Process { pid: record.pid, comm, exe: None, uid: record.uid })
}

fn rule_of(record: &Record, names: &impl Names) -> Option<RuleInfo> {
    if record.rule == NO_RULE { None } else { names.rule(record.policy_id, record.rule) }
}

/// `file:line`, or the text of a rule that stands in no file.
fn shown(rule: &RuleInfo) -> String {
    match &rule.location {
        Some(at) => format!("{}:{}", at.file.display(), at.line),
        None => rule.text.clone(),
    }
}

fn credentials(rule: Option<RuleInfo>) -> Vec<String> {
    rule.and_then(|r| r.credential).map(|c| c.as_str().to_owned()).into_iter().collect()
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
