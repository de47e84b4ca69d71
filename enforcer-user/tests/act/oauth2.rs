//! Each documented answer of an authorization server, and what becomes of it.

use std::time::{Duration, Instant};

use enforcer_user::act::outbox::Row;
use enforcer_user::act::revoke::{Job, Outcome, Proof, attempt, client};
use secrecy::SecretString;

use crate::attempts::{attempted, word};
use crate::fakes::{FakeProvider, FakeToken, answer, json};
use crate::inventory::{CLIENT_SECRET, TOKEN, credential, oauth2, row};

const ACTIVE: &str = r#"{"active":true}"#;
const INACTIVE: &str = r#"{"active":false}"#;

/// One attempt at a fake that answers `/revoke` and `/introspect` like this.
async fn against(revoke: Vec<u8>, introspect: Vec<u8>) -> (Outcome, FakeProvider) {
    let script = move |path: &str| if path == "/revoke" { &revoke } else { &introspect }.clone();
    let fake = FakeProvider::new(move |asked| script(&asked.path));
    let dir = tempfile::tempdir().expect("a directory");
    let credential = credential(dir.path(), "key", Some(oauth2(dir.path(), &fake.url(""))));
    (attempted(&credential, &row(&credential), false).await, fake)
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

#[tokio::test]
async fn secrets_that_a_provider_quotes_are_redacted() {
    let body = format!(r#"{{"error":"bad {TOKEN}","error_description":"{CLIENT_SECRET}"}}"#);
    let (outcome, _fake) = against(json(400, &body), Vec::new()).await;
    let Outcome::Fail { error } = outcome else { panic!("{outcome:?}") };
    assert!(error.ends_with("bad [redacted] ([redacted])"), "{error}");
}
