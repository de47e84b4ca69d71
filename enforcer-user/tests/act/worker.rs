//! The worker: the ladder, commands by hand, what it tells.

use std::sync::Arc;

use enforcer_user::act::outbox::Hold;
use enforcer_user::act::{Accepted, CredentialState, RevokeError};
use enforcer_user::events::EventKind;
use enforcer_user::policy::{Revoker, Step};
use time::OffsetDateTime;

use crate::acting::{Acting, LADDER, WIDE, living_token};
use crate::fakes::{FakeProvider, answer};
use crate::inventory::{credential, finding, oauth2, secret};

#[tokio::test]
async fn a_finding_climbs_the_ladder_to_a_dead_token() {
    let (fake, token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert_eq!(acting.act.state("key").expect("asked"), CredentialState::Active);
    let finding = finding(&key, LADDER);
    let ktime_ns = finding.ktime_ns;
    assert!(acting.act.handle(finding));
    let alert = acting.told("alert").await;
    assert_eq!(alert.message.as_deref(), Some("agent a1 was denied 3 times (no-rule)"));
    assert_eq!(acting.told("respond").await.kind, EventKind::Quarantined);
    assert_eq!(acting.told("queued").await.credentials, ["key"]);
    let confirmed = acting.told("confirmed").await;
    assert_eq!((confirmed.kind, confirmed.agent.as_deref()), (EventKind::Revocation, Some("a1")));
    let counted = acting.counted().await;
    assert_eq!((counted.provider, counted.outcome), ("oauth2", "confirmed"));
    assert!(counted.duration.is_some());
    let act = acting.act.clone();
    assert_eq!(*acting.kernel.cut.lock().expect("cut"), ["a1"]);
    drop(acting);
    assert_eq!(*token.effective.lock().expect("counted"), 1);
    assert_eq!(act.quarantines().expect("holds")[0].agent, "a1");
    assert!(act.alarm_handled("a1", ktime_ns).expect("asked"));
    assert!(!act.alarm_handled("a1", ktime_ns + 1).expect("asked"));
}

#[tokio::test]
async fn the_state_follows_the_secret() {
    let (fake, _token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert_eq!(acting.act.revoke("key", "leaked").await.expect("taken"), Accepted::Queued);
    acting.told("confirmed").await;
    let again = || acting.act.revoke("key", "again");
    assert_eq!(again().await.expect("taken"), Accepted::Revoked);
    assert_eq!(acting.act.state("key").expect("asked"), CredentialState::Revoked);
    secret(dir.path(), "token-key", "a new token");
    assert_eq!(acting.act.state("key").expect("asked"), CredentialState::Active);
    assert_eq!(again().await.expect("taken"), Accepted::Queued);
    assert_eq!(fake.asked("/revoke").len(), 1);
}

#[tokio::test]
async fn by_hand_only_what_can_be_revoked_is_taken_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", None)];
    let acting = Acting::new(dir.path(), &key, WIDE);
    let refused = acting.act.revoke("other", "r").await.expect_err("refused");
    assert!(matches!(refused, RevokeError::Unknown { .. }));
    let refused = acting.act.revoke("key", "r").await.expect_err("refused");
    assert!(matches!(refused, RevokeError::NoRevoker { .. }));
    assert!(acting.act.plan("key").is_err());
}

#[tokio::test]
async fn a_dry_run_names_the_calls_and_makes_none() {
    let (fake, _token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let acting = Acting::new(dir.path(), &key, WIDE);
    let plan = acting.act.plan("key").expect("a plan");
    assert_eq!((plan.provider, plan.secret_problem), ("oauth2", None));
    assert!(plan.calls[0].contains("/revoke") && plan.calls[1].contains("/introspect"));
    assert!(fake.asked("/revoke").is_empty() && fake.asked("/introspect").is_empty());
}

#[tokio::test]
async fn several_credentials_are_revoked_at_the_same_time() {
    let barrier = Arc::new(std::sync::Barrier::new(4));
    let fake = FakeProvider::new(move |_| {
        // Nobody is answered before all have asked.
        barrier.wait();
        answer(200, "", "")
    });
    let dir = tempfile::tempdir().expect("a directory");
    let revoker = || Revoker::Webhook {
        url: fake.url("/hook"),
        key: secret(dir.path(), "webhook-key", "wh-k3y"),
    };
    let keys = ["k1", "k2", "k3", "k4"].map(|id| credential(dir.path(), id, Some(revoker())));
    let mut acting = Acting::new(dir.path(), &keys, WIDE);
    assert!(acting.act.handle(finding(&keys, LADDER)));
    for _ in 0..4 {
        assert_eq!(acting.counted().await.outcome, "confirmed");
    }
}

#[tokio::test]
async fn under_a_storm_the_most_final_findings_come_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", None)];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    for steps in [&[Step::Alert][..], &[Step::Alert], &[Step::Revoke]] {
        assert!(acting.act.handle(finding(&key, steps)));
    }
    // On this one thread the worker has not run yet.
    assert_eq!(acting.told("no-revoker").await.credentials, ["key"]);
    assert_eq!(acting.told("alert").await.kind, EventKind::Daemon);
    acting.told("alert").await;
}

#[tokio::test]
async fn quarantines_outlive_the_daemon() {
    let dir = tempfile::tempdir().expect("a directory");
    let acting = Acting::new(dir.path(), &[], WIDE);
    let since = OffsetDateTime::now_utc();
    let hold = Hold { agent: "a1".into(), reason: "operator".into(), since };
    acting.act.put_quarantine(&hold).expect("held");
    acting.end().await;
    let acting = Acting::new(dir.path(), &[], WIDE);
    assert_eq!(acting.act.quarantines().expect("holds"), [hold]);
    acting.act.remove_quarantine("a1").expect("released");
    assert_eq!(acting.act.quarantines().expect("holds"), []);
}
