//! A planted secret is looked for everywhere but where it was planted.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use enforcer_user::act::Report;
use enforcer_user::audit::{Audit, verify};
use enforcer_user::config::AuditSettings;
use enforcer_user::policy::Step;
use tracing_subscriber::fmt::MakeWriter;

use crate::acting::{Acting, WIDE};
use crate::fakes::{FakeProvider, json};
use crate::inventory::{CLIENT_SECRET, TOKEN, credential, finding, oauth2};

/// Everything logged by this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

fn search(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir).expect("a directory").flatten();
    files
        .map(|file| {
            let bytes = std::fs::read(file.path()).expect("read");
            assert!(!holds(&bytes, TOKEN), "the token is in {:?}", file.path());
            assert!(!holds(&bytes, CLIENT_SECRET), "the client secret is in {:?}", file.path());
        })
        .count()
}

/// A provider that repeats whatever it is told.
fn talkative() -> FakeProvider {
    FakeProvider::new(|asked| {
        let said = format!("{} {TOKEN} {CLIENT_SECRET}", asked.body);
        let status = if asked.path == "/revoke" { 503 } else { 200 };
        json(status, &format!(r#"{{"error":"x","error_description":{said:?}}}"#))
    })
}

#[tokio::test]
async fn no_secret_is_in_the_log_the_database_or_the_audit_trail() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(tracing::Level::TRACE);
    tracing::subscriber::set_global_default(subscriber.finish()).expect("the only one");
    let fake = talkative();
    let (secrets, state) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let revoker = Some(oauth2(secrets.path(), &fake.url("")));
    let key = [credential(secrets.path(), "key", revoker)];
    let mut acting = Acting::new(state.path(), &key, WIDE);
    let (audit, writer) = Audit::start(state.path(), &AuditSettings::default()).expect("starts");
    let steps = [Step::Alert, Step::Quarantine, Step::Revoke];
    assert!(acting.act.handle(finding(&key, &steps)));
    audit.append(&acting.told("queued").await);
    for _ in 0..2 {
        let retried = acting.told("retried").await;
        assert!(retried.message.as_deref().is_some_and(|m| m.contains("[redacted]")));
        audit.append(&retried);
    }
    for report in acting.end().await {
        if let Report::Event(event) = report {
            audit.append(&event);
        }
    }
    drop(audit);
    writer.await.expect("ended well");
    assert!(verify(&state.path().join("audit.jsonl")).expect("holds").entries >= 3);
    assert!(search(state.path()) >= 4, "outbox, key, audit log, checkpoint");
    let log = log.0.lock().expect("not poisoned");
    assert!(holds(&log, "revocation: attempt 1 failed"), "the log is the right one");
    assert!(!holds(&log, TOKEN) && !holds(&log, CLIENT_SECRET));
}
