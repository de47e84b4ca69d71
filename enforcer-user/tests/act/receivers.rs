//! Webhooks and commands: what they are told, and what their answers mean.

use std::path::Path;
use std::time::{Duration, Instant};

use enforcer_user::act::revoke::{Outcome, Proof};
use enforcer_user::policy::Revoker;
use hmac::{Hmac, KeyInit, Mac};

use crate::attempts::{attempted, word};
use crate::fakes::{FakeProvider, answer};
use crate::inventory::{TOKEN, credential, row, secret};

fn webhook(dir: &Path, url: String) -> Revoker {
    Revoker::Webhook { url, key: secret(dir, "webhook-key", "wh-k3y") }
}

#[tokio::test]
async fn a_webhook_is_signed_and_holds_no_secret() {
    let fake = FakeProvider::new(|_| answer(202, "", ""));
    let dir = tempfile::tempdir().expect("a directory");
    let credential = credential(dir.path(), "key", Some(webhook(dir.path(), fake.url("/hook"))));
    let row = row(&credential);
    let outcome = attempted(&credential, &row, false).await;
    assert_eq!(outcome, Outcome::Done(Proof::Acknowledged));
    let asked = fake.asked("/hook").remove(0);
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(b"wh-k3y").expect("a key");
    mac.update(format!("{}.{}", asked.headers["enforcer-timestamp"], asked.body).as_bytes());
    let tag: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(asked.headers["enforcer-signature"], format!("v1={tag}"));
    assert_eq!(asked.headers["idempotency-key"], format!("\"{}\"", row.id));
    let body: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
    assert_eq!((&body["credential"], &body["agent"]), (&"key".into(), &"a1".into()));
    assert!(!asked.body.contains(TOKEN) && !asked.body.contains("wh-k3y"));
}

#[tokio::test]
async fn a_webhooks_problem_details_are_understood() {
    let problem = r#"{"type":"about:blank","title":"Unknown key","detail":"no key called 'key'"}"#;
    let header = "content-type: application/problem+json\r\n";
    let dir = tempfile::tempdir().expect("a directory");
    for (status, want) in [(422, "fail"), (503, "retry"), (404, "fail")] {
        let fake = FakeProvider::new(move |_| answer(status, header, problem));
        let revoker = webhook(dir.path(), fake.url("/hook"));
        let credential = credential(dir.path(), "key", Some(revoker));
        let outcome = attempted(&credential, &row(&credential), false).await;
        assert_eq!(word(&outcome), want);
        let (Outcome::Fail { error } | Outcome::Retry { error, .. }) = outcome else { panic!() };
        assert!(error.ends_with(": Unknown key: no key called 'key'"), "{error}");
    }
}

async fn command(dir: &Path, script: &str, timeout: Duration) -> Outcome {
    let argv = ["/bin/sh", "-c", script, "sh", &dir.display().to_string()].map(Into::into).into();
    let credential = credential(dir, "key", Some(Revoker::Command { argv, timeout }));
    attempted(&credential, &row(&credential), false).await
}

#[tokio::test]
async fn a_command_is_told_on_stdin_and_sees_no_environment() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = r#"cat > "$1/in"; env > "$1/env""#;
    let outcome = command(dir.path(), script, Duration::from_secs(10)).await;
    assert_eq!(outcome, Outcome::Done(Proof::Acknowledged));
    let told = std::fs::read_to_string(dir.path().join("in")).expect("written");
    assert!(told.contains(r#""credential":"key""#) && !told.contains(TOKEN), "{told}");
    let env = std::fs::read_to_string(dir.path().join("env")).expect("written");
    let names: Vec<_> = env.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.iter().all(|name| ["PATH", "PWD", "SHLVL", "_"].contains(name)), "{env}");
}

#[tokio::test]
async fn a_command_that_fails_is_tried_again_and_its_complaint_quoted() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("echo 'cannot reach {TOKEN}' >&2; exit 3");
    let outcome = command(dir.path(), &script, Duration::from_secs(10)).await;
    let Outcome::Retry { error, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error, "/bin/sh: exit status: 3: cannot reach [redacted]");
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = r#"sleep 300 & echo $! > "$1/child"; wait"#;
    let outcome = command(dir.path(), script, Duration::from_millis(500)).await;
    assert_eq!(word(&outcome), "retry");
    let child = std::fs::read_to_string(dir.path().join("child")).expect("written");
    let stat = format!("/proc/{}/stat", child.trim());
    let deadline = Instant::now() + Duration::from_secs(5);
    // Gone, or a zombie that its new parent has not reaped yet.
    let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"));
    while !gone() {
        assert!(Instant::now() < deadline, "the command's child still lives");
        std::thread::yield_now();
    }
}
