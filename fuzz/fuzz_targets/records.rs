//! Bytes from the ring: read or refused, and every code is a known word or a
//! clear error.
#![no_main]

use enforcer_common::{Hook, Reason, Record, RecordKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(record) = Record::from_bytes(bytes) else {
        assert_ne!(bytes.len(), Record::SIZE);
        return;
    };
    assert_eq!(record.ktime_ns.to_ne_bytes(), bytes[..8]);
    assert_eq!(record.destination, bytes[24..40]);
    assert_eq!([record.kind, record.hook, record.reason], bytes[87..90]);
    match Reason::try_from(record.reason) {
        Ok(reason) => assert_eq!(Reason::from_word(reason.as_str()), Some(reason)),
        Err(error) => assert_eq!(error.code, record.reason),
    }
    if let Ok(hook) = Hook::try_from(record.hook) {
        assert_eq!(hook as u8, record.hook);
    }
    if let Ok(kind) = RecordKind::try_from(record.kind) {
        assert_eq!(kind as u8, record.kind);
    }
});
