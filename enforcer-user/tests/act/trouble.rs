//! The worker when things fail: providers, the budget, the kernel, restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use enforcer_user::act::{Accepted, CredentialState};
use enforcer_user::config::StormBudget;
use enforcer_user::events::EventKind;
use enforcer_user::policy::{Credential, Step};

use crate::acting::{Acting, LADDER, WIDE, living_token};
use crate::fakes::{FakeProvider, FakeToken, answer};
use crate::inventory::{credential, finding, oauth2, secret};

#[tokio::test]
async fn a_provider_that_comes_back_gets_the_revocation() {
    let (down, token) = (AtomicU32::new(2), FakeToken::default());
    let fake = FakeProvider::new(move |asked| {
        let fails = down.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if fails.is_ok() { answer(503, "", "") } else { token.answer(asked) }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert!(acting.act.handle(finding(&key, LADDER)));
    let retried = acting.told("retried").await;
    assert!(retried.message.expect("a message").contains("answered 503"));
    acting.told("confirmed").await;
}

#[tokio::test]
async fn a_refused_revocation_is_loud_and_waits_for_a_person() {
    let working = Arc::new(AtomicBool::new(false));
    let (token, works) = (FakeToken::default(), working.clone());
    let fake = FakeProvider::new(move |asked| {
        if works.load(Ordering::SeqCst) { token.answer(asked) } else { answer(403, "", "") }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert!(acting.act.handle(finding(&key, LADDER)));
    let failed = acting.told("failed").await;
    assert!(failed.message.expect("a message").contains("may still live"));
    acting.counted().await;
    working.store(true, Ordering::SeqCst);
    let state = acting.act.state("key").expect("asked");
    assert_eq!(state, CredentialState::RevocationFailed);
    assert_eq!(acting.act.revoke("key", "fixed").await.expect("taken"), Accepted::Queued);
    acting.told("confirmed").await;
}

#[tokio::test]
async fn over_the_storm_budget_there_is_quarantine_and_alert_instead() {
    let (fake, _token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let revoker = || Some(oauth2(dir.path(), &fake.url("")));
    let keys = ["k1", "k2", "k3"].map(|id| credential(dir.path(), id, revoker()));
    let budget = StormBudget { revocations: 2, ..WIDE };
    let mut acting = Acting::new(dir.path(), &keys, budget);
    assert!(acting.act.handle(finding(&keys, &[Step::Revoke])));
    assert_eq!(acting.told("over-budget").await.credentials, ["k3"]);
    assert!(acting.told("alert").await.message.expect("a message").contains("storm budget"));
    assert_eq!(acting.told("respond").await.kind, EventKind::Quarantined);
    assert_eq!(acting.act.revoke("k3", "by hand").await.expect("taken"), Accepted::Queued);
}

#[tokio::test]
async fn a_credential_without_a_revoker_is_told_loudly() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", None)];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert!(acting.act.handle(finding(&key, LADDER)));
    assert_eq!(acting.told("no-revoker").await.credentials, ["key"]);
}

#[tokio::test]
async fn a_quarantine_that_fails_is_tried_until_it_holds_and_does_not_stop_the_revocation() {
    let (fake, _token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    acting.kernel.refuse.store(true, Ordering::SeqCst);
    assert!(acting.act.handle(finding(&key, LADDER)));
    acting.told("confirmed").await;
    acting.kernel.refuse.store(false, Ordering::SeqCst);
    acting.told("respond").await;
    assert_eq!(*acting.kernel.cut.lock().expect("cut"), ["a1"]);
}

#[tokio::test]
async fn a_restart_resumes_and_asks_before_it_revokes_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (fake, token) = living_token();
    let closed = credential(dir.path(), "key", Some(oauth2(dir.path(), "http://127.0.0.1:1")));
    let mut acting = Acting::new(dir.path(), std::slice::from_ref(&closed), WIDE);
    assert!(acting.act.handle(finding(std::slice::from_ref(&closed), LADDER)));
    acting.told("retried").await;
    acting.end().await;
    let open = Credential { revoke: Some(oauth2(dir.path(), &fake.url(""))), ..closed };
    let mut acting = Acting::new(dir.path(), &[open], WIDE);
    acting.told("confirmed").await;
    let paths = [fake.asked("/introspect").len(), fake.asked("/revoke").len()];
    assert_eq!((paths, *token.effective.lock().expect("counted")), ([2, 1], 1));
}

#[tokio::test]
async fn a_secret_that_was_replaced_before_its_revocation_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), "http://127.0.0.1:1")))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert!(acting.act.handle(finding(&key, LADDER)));
    acting.told("retried").await;
    secret(dir.path(), "token-key", "a new token");
    let failed = acting.told("failed").await.message.expect("a message");
    assert!(failed.contains("replaced before"), "{failed}");
}
