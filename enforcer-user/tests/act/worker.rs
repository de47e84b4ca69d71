//! The worker: the ladder, the budget, retries, what it tells.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use enforcer_user::act::outbox::Hold;
use enforcer_user::act::{
    Accepted, Act, CredentialState, Report, RevocationReport, RevokeError, Setup, WorkerError,
};
use enforcer_user::config::StormBudget;
use enforcer_user::events::{Event, EventKind};
use enforcer_user::policy::{Credential, Revoker, Step};
use time::OffsetDateTime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::fakes::{FakeKernel, FakeProvider, FakeToken, answer};
use crate::inventory::{credential, finding, oauth2, secret};

const DEADLINE: Duration = Duration::from_secs(20);
const LADDER: &[Step] = &[Step::Alert, Step::Quarantine, Step::Revoke];
pub(crate) const WIDE: StormBudget =
    StormBudget { revocations: 100, per: Duration::from_secs(600) };

/// A worker with a fake kernel.
pub(crate) struct Acting {
    pub(crate) act: Act,
    pub(crate) kernel: Arc<FakeKernel>,
    pub(crate) reports: UnboundedReceiver<Report>,
    pub(crate) join: JoinHandle<Result<(), WorkerError>>,
}

// === impl Acting ===

impl Acting {
    pub(crate) fn new(state_dir: &Path, credentials: &[Credential], storm: StormBudget) -> Self {
        let (sender, reports) = unbounded_channel();
        let kernel = Arc::new(FakeKernel::default());
        let setup = Setup {
            state_dir: state_dir.into(),
            boot_id: "boot-1".into(),
            storm,
            credentials: credentials.to_vec(),
            quarantine: kernel.clone(),
            reports: sender,
        };
        let (act, join) = Act::start(setup).expect("starts");
        Self { act, kernel, reports, join }
    }

    /// Waits for an event with this reason.
    pub(crate) async fn told(&mut self, reason: &str) -> Event {
        loop {
            let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
            let report = report.unwrap_or_else(|_| panic!("nobody told {reason}"));
            match report.expect("the worker lives") {
                Report::Event(event) if event.reason.as_deref() == Some(reason) => return *event,
                Report::Event(_) | Report::Revocation(_) => {}
            }
        }
    }

    pub(crate) async fn counted(&mut self) -> RevocationReport {
        loop {
            let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
            if let Some(Report::Revocation(report)) = report.expect("told in time") {
                return report;
            }
        }
    }

    /// Ends the worker as the daemon does.
    pub(crate) async fn end(self) -> Vec<Report> {
        let Self { act, join, mut reports, .. } = self;
        drop(act);
        join.await.expect("no panic").expect("ended well");
        let mut rest = Vec::new();
        while let Some(report) = reports.recv().await {
            rest.push(report);
        }
        rest
    }
}

fn living_token() -> (FakeProvider, Arc<FakeToken>) {
    let token = Arc::new(FakeToken::default());
    let served = token.clone();
    (FakeProvider::new(move |asked| served.answer(asked)), token)
}

#[tokio::test]
async fn a_finding_climbs_the_ladder_to_a_dead_token() {
    let (fake, token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert_eq!(acting.act.state("key").expect("asked"), CredentialState::Active);
    assert!(acting.act.handle(finding(&key, LADDER, 42)));
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
    assert!(act.alarm_handled("a1", 42).expect("asked"));
    assert!(!act.alarm_handled("a1", 43).expect("asked"));
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
async fn a_provider_that_comes_back_gets_the_revocation() {
    let (down, token) = (AtomicU32::new(2), FakeToken::default());
    let fake = FakeProvider::new(move |asked| {
        let fails = down.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if fails.is_ok() { answer(503, "", "") } else { token.answer(asked) }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    assert!(acting.act.handle(finding(&key, LADDER, 1)));
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
    assert!(acting.act.handle(finding(&key, LADDER, 1)));
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
    assert!(acting.act.handle(finding(&keys, &[Step::Revoke], 1)));
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
    assert!(acting.act.handle(finding(&key, LADDER, 1)));
    assert_eq!(acting.told("no-revoker").await.credentials, ["key"]);
}

#[tokio::test]
async fn a_quarantine_that_fails_is_tried_until_it_holds_and_does_not_stop_the_revocation() {
    let (fake, _token) = living_token();
    let dir = tempfile::tempdir().expect("a directory");
    let key = [credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))))];
    let mut acting = Acting::new(dir.path(), &key, WIDE);
    acting.kernel.refuse.store(true, Ordering::SeqCst);
    assert!(acting.act.handle(finding(&key, LADDER, 1)));
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
    assert!(acting.act.handle(finding(std::slice::from_ref(&closed), LADDER, 1)));
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
    assert!(acting.act.handle(finding(&key, LADDER, 1)));
    acting.told("retried").await;
    secret(dir.path(), "token-key", "a new token");
    let failed = acting.told("failed").await.message.expect("a message");
    assert!(failed.contains("replaced before"), "{failed}");
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
    assert!(acting.act.handle(finding(&keys, LADDER, 1)));
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
        assert!(acting.act.handle(finding(&key, steps, 1)));
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
