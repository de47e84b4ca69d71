//! Each documented answer of a provider, and what the revoker makes of it.

use std::time::{Duration, Instant};

use enforcer_user::act::outbox::Row;
use enforcer_user::act::revoke::{Job, Outcome, Proof, attempt, client};
use enforcer_user::policy::{Credential, Revoker};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;

use crate::fakes::{FakeProvider, FakeToken, answer, json};
use crate::inventory::{CLIENT_SECRET, TOKEN, credential, oauth2, row, secret};

const ACTIVE: &str = r#"{"active":true}"#;
const INACTIVE: &str = r#"{"active":false}"#;

async fn attempted(credential: &Credential, row: &Row, asked_before: bool) -> Outcome {
    let token = SecretString::from(TOKEN);
    let job = Job { row, credential, secret: Some(&token), asked_before };
    attempt(&client().expect("a client"), job).await
}

/// One attempt at a fake that answers `/revoke` and `/introspect` like this.
async fn against(revoke: Vec<u8>, introspect: Vec<u8>) -> (Outcome, FakeProvider) {
    let script = move |path: &str| if path == "/revoke" { &revoke } else { &introspect }.clone();
    let fake = FakeProvider::new(move |asked| script(&asked.path));
    let dir = tempfile::tempdir().expect("a directory");
    let credential = credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))));
    (attempted(&credential, &row(&credential), false).await, fake)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Retry { .. } => "retry",
        Outcome::Fail { .. } => "fail",
    }
}

#[tokio::test]
async fn a_token_is_revoked_and_its_death_confirmed() {
    let (outcome, fake) = against(answer(200, "", ""), json(200, INACTIVE)).await;
    assert_eq!(outcome, Outcome::Done(Proof::Introspected));
    let form = "token=tok%2Ben%2Fwith%3Dodd%26chars-8f3a&token_type_hint=access_token";
    for path in ["/revoke", "/introspect"] {
        let asked = fake.asked(path);
        assert_eq!(asked.len(), 1, "{path}");
        assert_eq!(asked[0].body, form);
        // enforcer%3A1:cl1ent%3As3cret%2B%25-77b1, as RFC 6749, 2.3.1 asks.
        let basic = "Basic ZW5mb3JjZXIlM0ExOmNsMWVudCUzQXMzY3JldCUyQiUyNS03N2Ix";
        assert_eq!(asked[0].headers["authorization"], basic);
    }
}

#[tokio::test]
async fn every_documented_refusal_is_decided() {
    let problem = |code: &str| format!(r#"{{"error":"{code}","error_description":"because"}}"#);
    let table = [
        (json(400, &problem("invalid_client")), "fail"),
        (json(400, &problem("unsupported_token_type")), "fail"),
        (answer(400, "", "<html>"), "fail"),
        (json(401, &problem("invalid_client")), "fail"),
        (answer(403, "", ""), "fail"),
        (answer(404, "", ""), "fail"),
        (answer(301, "location: http://127.0.0.1:1/\r\n", ""), "fail"),
        (answer(307, "location: http://127.0.0.1:1/\r\n", ""), "fail"),
        (answer(408, "", ""), "retry"),
        (answer(429, "", ""), "retry"),
        (answer(500, "", ""), "retry"),
        (answer(503, "", ""), "retry"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf".to_vec(), "retry"),
        (b"garbage\r\n\r\n".to_vec(), "retry"),
        (Vec::new(), "retry"),
    ];
    for (answer, want) in table {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let (outcome, fake) = against(answer, json(200, INACTIVE)).await;
        assert_eq!(word(&outcome), want, "{shown} gave {outcome:?}");
        assert_eq!(fake.asked("/introspect").len(), 0, "not accepted, so not asked: {shown}");
    }
}

#[tokio::test]
async fn the_providers_explanation_is_quoted() {
    let body = r#"{"error":"invalid_client","error_description":"wrong\nsecret"}"#;
    let (outcome, _fake) = against(json(401, body), Vec::new()).await;
    let Outcome::Fail { error } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error, "the revocation endpoint answered 401: invalid_client (wrong secret)");
}

#[tokio::test]
async fn retry_after_is_respected() {
    let (outcome, _fake) = against(answer(429, "retry-after: 7\r\n", ""), Vec::new()).await;
    assert!(matches!(outcome, Outcome::Retry { after: Some(wait), .. } if wait.as_secs() == 7));
}

#[tokio::test]
async fn an_accepted_revocation_without_confirmation_is_tried_again() {
    let huge = format!(r#"{{"active":false,"x":"{}"}}"#, "x".repeat(70_000));
    let answers = [
        json(200, ACTIVE),
        json(200, "{}"),
        json(200, r#"{"active":"no"}"#),
        json(200, &huge),
        answer(200, "", "<html>"),
        answer(401, "", ""),
        answer(503, "", ""),
        answer(302, "location: /elsewhere\r\n", ""),
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"active\":false}".to_vec(),
    ];
    for introspect in answers {
        let (outcome, fake) = against(answer(200, "", ""), introspect).await;
        assert!(matches!(outcome, Outcome::Retry { accepted: true, .. }), "{outcome:?}");
        assert_eq!(fake.asked("/elsewhere").len(), 0);
    }
}

#[tokio::test]
async fn a_dead_token_is_success_without_another_call() {
    let token = FakeToken::default();
    let fake = FakeProvider::new(move |asked| token.answer(asked));
    let dir = tempfile::tempdir().expect("a directory");
    let credential = credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))));
    let row = row(&credential);
    assert_eq!(word(&attempted(&credential, &row, false).await), "done");
    let again = attempted(&credential, &row, true).await;
    assert_eq!(again, Outcome::Done(Proof::AlreadyDead));
    assert_eq!(fake.asked("/revoke").len(), 1);
}

#[tokio::test]
async fn an_accepted_revocation_is_only_confirmed_where_nobody_can_tell() {
    let fake = FakeProvider::new(|_| answer(503, "", ""));
    let dir = tempfile::tempdir().expect("a directory");
    let credential = credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))));
    let accepted = Row { accepted: true, ..row(&credential) };
    let outcome = attempted(&credential, &accepted, true).await;
    assert!(matches!(outcome, Outcome::Retry { accepted: true, .. }), "{outcome:?}");
    assert_eq!(fake.asked("/revoke").len(), 0);
    // Not known to be accepted: a living token is the greater harm.
    assert_eq!(word(&attempted(&credential, &row(&credential), true).await), "retry");
    assert_eq!(fake.asked("/revoke").len(), 1);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_tried_again_soon() {
    let dir = tempfile::tempdir().expect("a directory");
    let gone = FakeProvider::new(|_| Vec::new()).url("");
    let credential = credential(dir.path(), "key", Some(oauth2(dir.path(), &gone)));
    let begun = Instant::now();
    assert_eq!(word(&attempted(&credential, &row(&credential), false).await), "retry");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_provider_that_never_answers_is_tried_again() {
    let (_hold, until) = std::sync::mpsc::channel::<()>();
    let until = std::sync::Mutex::new(until);
    let fake = FakeProvider::new(move |_| {
        // Until the test ends.
        drop(until.lock().map(|until| until.recv()));
        Vec::new()
    });
    let dir = tempfile::tempdir().expect("a directory");
    let credential = credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))));
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(300));
    let (row, token) = (row(&credential), SecretString::from(TOKEN));
    let job = Job { row: &row, credential: &credential, secret: Some(&token), asked_before: false };
    client().expect("installs the TLS provider");
    let outcome = attempt(&impatient.build().expect("a client"), job).await;
    let Outcome::Retry { error, accepted: false, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error, "the revocation endpoint: no answer in time");
}

fn webhook(dir: &std::path::Path, url: String) -> Revoker {
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

async fn command(dir: &std::path::Path, script: &str, timeout: Duration) -> Outcome {
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

#[tokio::test]
async fn secrets_that_a_provider_quotes_are_redacted() {
    let body = format!(r#"{{"error":"bad {TOKEN}","error_description":"{CLIENT_SECRET}"}}"#);
    let (outcome, _fake) = against(json(400, &body), Vec::new()).await;
    let Outcome::Fail { error } = outcome else { panic!("{outcome:?}") };
    assert!(error.ends_with("bad [redacted] ([redacted])"), "{error}");
}
