use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::policy::Location;

struct Lab;

impl Names for Lab {
    fn agent(&self, slot: u32, _: u32) -> Option<String> {
        (slot == 3).then(|| "agent-a".to_owned())
    }

    fn rule(&self, policy_id: u32, rule: u32) -> Option<RuleInfo> {
        let location = Location { file: Arc::new(PathBuf::from("/p/a.toml")), line: 12 };
        let info = RuleInfo {
            allow: false,
            location: Some(location),
            text: "deny 10.0.0.0/8".to_owned(),
            credential: None,
        };
        (policy_id == 9 && rule == 1).then_some(info)
    }
}

fn record() -> Record {
    let mut comm = [0; 16];
    comm[..4].copy_from_slice(b"curl");
    Record {
        ktime_ns: 5_000_000_000,
        cgroup_id: 77,
        socket_cookie: 1,
        destination: Address::v4([203, 0, 113, 9]).0,
        comm,
        pid: 42,
        uid: 1001,
        slot: 3,
        policy_id: 9,
        generation: 7,
        rule: 1,
        suppressed: 4,
        port: 443,
        protocol: 6,
        kind: RecordKind::Denied as u8,
        hook: Hook::Connect4 as u8,
        reason: Reason::DenyRule as u8,
        reserved: [0; 2],
        detail: 0,
    }
}

fn bytes(record: Record) -> [u8; Record::SIZE] {
    // SAFETY: `kernel_abi!` proves that a record is integers without padding.
    unsafe { std::mem::transmute(record) }
}

fn decoded(record: Record) -> Event {
    decode(&bytes(record), &Lab).expect("decodes")
}

#[test]
fn a_record_becomes_words() {
    let event = decoded(record());
    assert_eq!(event.kind, EventKind::Denied);
    assert_eq!(event.agent.as_deref(), Some("agent-a"));
    assert_eq!(event.verdict.as_deref(), Some("deny"));
    assert_eq!(event.reason.as_deref(), Some("deny-rule"));
    assert_eq!(event.hook.as_deref(), Some("connect4"));
    assert_eq!(event.proto.as_deref(), Some("tcp"));
    assert_eq!(event.rule.as_deref(), Some("/p/a.toml:12"));
    assert_eq!((event.policy_generation, event.suppressed), (7, 4));
    let destination = event.destination.expect("readable");
    assert_eq!((destination.ip.to_string().as_str(), destination.port), ("203.0.113.9", 443));
    let process = event.process.expect("known");
    assert_eq!((process.pid, process.comm.as_str(), process.uid), (42, "curl", 1001));
    assert_eq!(event.ktime_ns, 5_000_000_000);
}

#[test]
fn every_code_of_every_vocabulary_decodes() {
    for &kind in RecordKind::ALL {
        for &hook in Hook::ALL {
            for &reason in Reason::ALL {
                let event = decoded(Record {
                    kind: kind as u8,
                    hook: hook as u8,
                    reason: reason as u8,
                    ..record()
                });
                assert_eq!(event.kind.as_str(), kind.as_str());
                assert_eq!(event.hook.as_deref(), Some(hook.as_str()));
                assert_eq!(event.reason.as_deref(), Some(reason.as_str()));
            }
        }
    }
}

#[test]
fn an_audited_flow_says_that_it_passed() {
    let event = decoded(Record { kind: RecordKind::WouldDeny as u8, ..record() });
    assert_eq!((event.kind, event.verdict.as_deref()), (EventKind::WouldDeny, Some("allow")));
}

#[test]
fn what_is_unknown_stays_empty() {
    let event = decoded(Record {
        destination: [0; 16],
        pid: 0,
        slot: 8,
        rule: NO_RULE,
        protocol: 0,
        ..record()
    });
    assert_eq!((event.destination, event.process, event.agent), (None, None, None));
    assert_eq!((event.rule, event.proto), (None, None));
}

#[test]
fn unknown_codes_and_lengths_are_errors() {
    let code = |vocabulary| DecodeError::Code(UnknownCode { vocabulary, code: 255 });
    let failed = |record| decode(&bytes(record), &Lab).expect_err("is refused");
    assert_eq!(failed(Record { kind: 255, ..record() }), code("record kind"));
    assert_eq!(failed(Record { hook: 255, ..record() }), code("hook"));
    assert_eq!(failed(Record { reason: 255, ..record() }), code("reason"));
    assert_eq!(decode(&[0; 95], &Lab), Err(DecodeError::Length { got: 95 }));
}

#[test]
fn a_protocol_without_a_word_keeps_its_number() {
    assert_eq!(decoded(Record { protocol: 132, ..record() }).proto.as_deref(), Some("132"));
    assert_eq!(decoded(Record { protocol: 58, ..record() }).proto.as_deref(), Some("icmp"));
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let decoded = decode(&bytes, &Lab);
        prop_assert!(bytes.len() == Record::SIZE || decoded.is_err());
    }

    #[test]
    fn any_bytes_with_known_codes_are_an_event(mut bytes in prop::collection::vec(any::<u8>(), Record::SIZE)) {
        (bytes[87], bytes[88], bytes[89]) = (bytes[87] % 5, bytes[88] % 6, bytes[89] % 17);
        let event = decode(&bytes, &Lab);
        prop_assert!(event.is_ok_and(|e| serde_json::to_string(&e).is_ok()));
    }
}
