//! The contract that every provider's revoker keeps, each against a fake that
//! replays the provider's documented answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use enforcer_user::act::outbox::Row;
use enforcer_user::act::revoke::{Job, Outcome, Proof, attempt, calls, client};
use enforcer_user::policy::Credential;
use secrecy::SecretString;

use crate::attempts::word;
use crate::fakes::{Asked, FakeProvider, answer};
use crate::inventory::{CLIENT_SECRET, TOKEN, credential, row};
use crate::providers::{ALL, FakeApi, FakeLife, RSA, api};

/// What a fake says instead of what is documented: given the call, and whether
/// it kills.
type Instead = fn(&FakeApi, &Asked, bool) -> Option<Vec<u8>>;

/// A fake of one provider, and the credential there.
struct Fake {
    api: &'static FakeApi,
    life: Arc<Mutex<FakeLife>>,
    provider: FakeProvider,
    credential: Credential,
    _dir: tempfile::TempDir,
}

// === impl Fake ===

impl Fake {
    fn new(
        api: &'static FakeApi,
        life: FakeLife,
        instead: impl Fn(&FakeApi, &Asked, bool) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let life = Arc::new(Mutex::new(life));
        let served = life.clone();
        let provider = FakeProvider::new(move |asked| {
            let other = instead(api, asked, (api.kills)(asked));
            let documented = || (api.answers)(&mut served.lock().expect("not poisoned"), asked);
            other.unwrap_or_else(documented)
        });
        let dir = tempfile::tempdir().expect("a directory");
        let revoker = (api.revoker)(dir.path(), &provider.url(""));
        let credential = credential(dir.path(), "key", Some(revoker));
        Self { api, life, provider, credential, _dir: dir }
    }

    fn documented(api: &'static FakeApi, life: FakeLife) -> Self {
        Self::new(api, life, |_, _, _| None)
    }

    fn refusing(api: &'static FakeApi, instead: Instead) -> Self {
        Self::new(api, FakeLife::Active, instead)
    }

    async fn attempt(&self, row: &Row, asked_before: bool) -> Outcome {
        self.attempt_with(&client().expect("a client"), row, asked_before).await
    }

    async fn attempt_with(&self, client: &reqwest::Client, row: &Row, before: bool) -> Outcome {
        let (credential, token) = (&self.credential, SecretString::from(self.api.token));
        let job = Job { row, credential, secret: Some(&token), asked_before: before };
        let outcome = attempt(client, job).await;
        self.expect_no_secret(&outcome);
        outcome
    }

    async fn first(&self) -> Outcome {
        self.attempt(&row(&self.credential), false).await
    }

    fn kills(&self) -> usize {
        self.provider.everything().iter().filter(|asked| (self.api.kills)(asked)).count()
    }

    fn life(&self) -> FakeLife {
        *self.life.lock().expect("not poisoned")
    }

    /// The error goes into the log and into the row.
    fn expect_no_secret(&self, outcome: &Outcome) {
        let shown = format!("{outcome:?}");
        let key = RSA.lines().nth(1).expect("a line of the key");
        for secret in [self.api.token, TOKEN, CLIENT_SECRET, "acc3ss0r-1", "ya29.t", "eyJ", key] {
            assert!(!shown.contains(secret), "{}: {shown}", self.api.name);
        }
        let mut authorizations = shown.split("Basic ").skip(1);
        assert!(authorizations.all(|rest| rest.starts_with("[redacted]")), "{shown}");
    }
}

/// Repeats every secret that it was told.
fn talkative(api: &FakeApi, asked: &Asked) -> String {
    let auth = asked.headers.get("authorization").map(String::as_str).unwrap_or_default();
    let text = format!("{} {} {} {auth}", api.own, api.token, asked.body);
    (api.error)(&text.replace(['"', '\\'], ""))
}

#[tokio::test]
async fn a_living_credential_is_killed_and_its_death_confirmed() {
    for api in ALL {
        let fake = Fake::documented(api, FakeLife::Active);
        let outcome = fake.first().await;
        assert!(
            matches!(outcome, Outcome::Done(Proof::Confirmed | Proof::Introspected)),
            "{}: {outcome:?}",
            api.name
        );
        assert_eq!(fake.life(), FakeLife::Dead, "{}", api.name);
        let last = fake.provider.everything().pop().expect("asked");
        assert!(!(api.kills)(&last), "{}: the last call must be the question", api.name);
    }
}

#[tokio::test]
async fn a_dry_run_names_every_call() {
    for api in ALL {
        let fake = Fake::documented(api, FakeLife::Active);
        fake.first().await;
        let lines = calls(fake.credential.revoke.as_ref().expect("a revoker"));
        for Asked { method, path, body, .. } in fake.provider.everything() {
            let call = format!("{method} {}", fake.provider.url(&path));
            let action = body.strip_prefix("Action=").and_then(|body| body.split('&').next());
            let named = |line: &String| line.contains(&call) && line.contains(action.unwrap_or(""));
            assert!(lines.iter().any(named), "{}: {call} is not in {lines:#?}", api.name);
        }
        let shown = lines.join("\n");
        assert!(!shown.contains(api.token) && !shown.contains(CLIENT_SECRET), "{shown}");
    }
}

#[tokio::test]
async fn a_dead_credential_is_success() {
    for api in ALL {
        let fake = Fake::documented(api, FakeLife::Dead);
        let outcome = fake.first().await;
        assert_eq!(word(&outcome), "done", "{}: {outcome:?}", api.name);
        let again = Fake::documented(api, FakeLife::Dead);
        let outcome = again.attempt(&row(&again.credential), true).await;
        assert_eq!(outcome, Outcome::Done(Proof::AlreadyDead), "{}", api.name);
        assert_eq!(again.kills(), 0, "{}: a dead credential is not killed again", api.name);
    }
}

/// Every killing call is answered so, and the credential lives on.
async fn every_status_is(decided: &str, cases: &[Instead]) {
    for api in ALL {
        for instead in cases {
            let fake = Fake::refusing(api, *instead);
            let outcome = fake.first().await;
            let said = fake.provider.everything();
            assert_eq!(word(&outcome), decided, "{}: {outcome:?} after {said:#?}", api.name);
            assert!(!matches!(outcome, Outcome::Retry { accepted: true, .. }), "{}", api.name);
            assert_eq!(fake.life(), FakeLife::Active, "{}", api.name);
            assert_eq!(fake.provider.asked("/elsewhere").len(), 0, "{}", api.name);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_for_a_person_to_look_at() {
    every_status_is(
        "fail",
        &[
            |api, asked, kills| kills.then(|| answer(400, "", &talkative(api, asked))),
            |api, asked, kills| kills.then(|| answer(401, "", &talkative(api, asked))),
            |api, asked, kills| kills.then(|| answer(403, "", &talkative(api, asked))),
            |api, asked, kills| kills.then(|| answer(404, "", &talkative(api, asked))),
            |api, asked, kills| kills.then(|| answer(422, "", &talkative(api, asked))),
            |_, _, kills| kills.then(|| answer(403, "", "<html>")),
            |_, _, kills| kills.then(|| answer(302, "location: /elsewhere\r\n", "")),
            |_, _, kills| kills.then(|| answer(307, "location: /elsewhere\r\n", "")),
        ],
    )
    .await;
}

#[tokio::test]
async fn passing_trouble_is_tried_again() {
    every_status_is(
        "retry",
        &[
            |api, asked, kills| kills.then(|| answer(409, "", &talkative(api, asked))),
            |api, asked, kills| kills.then(|| answer(429, "", &talkative(api, asked))),
            |api, asked, kills| kills.then(|| answer(500, "", &talkative(api, asked))),
            |_, _, kills| kills.then(|| answer(503, "", "<html>")),
            |_, _, kills| kills.then(|| half("HTTP/1.1 200 OK")),
            |_, _, kills| kills.then(|| half("HTTP/1.1 204 No Content")[..20].to_vec()),
            |_, _, kills| kills.then(Vec::new),
        ],
    )
    .await;
}

fn half(status: &str) -> Vec<u8> {
    format!("{status}\r\ncontent-length: 50\r\n\r\n{{\"half\":").into_bytes()
}

#[tokio::test]
async fn what_a_refusal_quotes_is_redacted() {
    for api in ALL {
        let refuse: Instead =
            |api, asked, kills| kills.then(|| answer(403, "", &talkative(api, asked)));
        let Outcome::Fail { error } = Fake::refusing(api, refuse).first().await else {
            panic!("{}: not refused", api.name)
        };
        assert!(error.contains("answered 403: "), "{}: {error}", api.name);
        assert!(error.contains("[redacted]"), "{}: {error}", api.name);
    }
}

#[tokio::test]
async fn a_provider_may_put_us_off() {
    for api in ALL {
        let busy: Instead = |_, _, kills| kills.then(|| answer(429, "retry-after: 7\r\n", ""));
        let outcome = Fake::refusing(api, busy).first().await;
        let Outcome::Retry { after, .. } = outcome else { panic!("{}: {outcome:?}", api.name) };
        assert_eq!(after, Some(Duration::from_secs(7)), "{}", api.name);
    }
}

#[tokio::test]
async fn silence_is_tried_again() {
    client().expect("installs the TLS provider");
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(500));
    let impatient = impatient.build().expect("a client");
    for api in ALL {
        let (hold, until) = std::sync::mpsc::channel::<()>();
        let until = Mutex::new(until);
        let silent = move |_: &FakeApi, _: &Asked, kills: bool| {
            // Until the test ends.
            kills.then(|| drop(until.lock().map(|until| until.recv()))).map(|()| Vec::new())
        };
        let fake = Fake::new(api, FakeLife::Active, silent);
        let outcome = fake.attempt_with(&impatient, &row(&fake.credential), false).await;
        drop(hold);
        let Outcome::Retry { error, accepted: false, .. } = outcome else {
            panic!("{}: {outcome:?}", api.name)
        };
        assert!(error.ends_with("no answer in time"), "{}: {error}", api.name);
    }
}

#[tokio::test]
async fn an_accepted_revocation_is_not_done_before_it_is_confirmed() {
    let unclear: &[Instead] = &[
        |_, _, kills| (!kills).then(|| answer(503, "", "")),
        |_, _, kills| (!kills).then(|| answer(403, "", "")),
        |_, _, kills| (!kills).then(|| answer(200, "", "<html>")),
        |_, _, kills| (!kills).then(|| answer(302, "location: /elsewhere\r\n", "")),
        |_, _, kills| (!kills).then(|| half("HTTP/1.1 200 OK")),
        |_, _, kills| (!kills).then(Vec::new),
        // The credential lives on, whatever was said.
        |api, asked, kills| (!kills).then(|| (api.answers)(&mut FakeLife::Active.clone(), asked)),
    ];
    for api in ALL {
        for instead in unclear {
            let instead = *instead;
            // An access token must still be had where one is needed.
            let fake = Fake::new(api, FakeLife::Active, move |api, asked, kills| {
                if asked.path == "/token" { None } else { instead(api, asked, kills) }
            });
            let outcome = fake.first().await;
            assert!(
                matches!(outcome, Outcome::Retry { accepted: true, .. }),
                "{}: {outcome:?}",
                api.name
            );
            assert!(fake.kills() > 0, "{}", api.name);
            let accepted = Row { accepted: true, ..row(&fake.credential) };
            let documented = Fake::documented(api, FakeLife::Dead);
            let outcome = documented.attempt(&accepted, true).await;
            assert_eq!(word(&outcome), "done", "{}: {outcome:?}", api.name);
            assert_eq!(documented.kills(), 0, "{}: accepted, so only asked", api.name);
        }
    }
}

#[tokio::test]
async fn the_reversible_call_comes_first_and_counts_where_the_final_one_is_refused() {
    let refuse: Instead = |_, asked, _| {
        let last = asked.method == "DELETE" || asked.body.contains("Action=DeleteAccessKey");
        last.then(|| answer(403, "", ""))
    };
    let trouble: Instead = |_, asked, _| {
        let last = asked.method == "DELETE" || asked.body.contains("Action=DeleteAccessKey");
        last.then(|| answer(503, "", ""))
    };
    for name in ["aws access key", "gcp"] {
        let fake = Fake::refusing(api(name), refuse);
        assert_eq!(fake.first().await, Outcome::Done(Proof::Disabled), "{name}");
        assert_eq!(fake.life(), FakeLife::Disabled, "{name}");
        let fake = Fake::refusing(api(name), trouble);
        let outcome = fake.first().await;
        assert!(matches!(outcome, Outcome::Retry { accepted: true, .. }), "{name}: {outcome:?}");
        assert_eq!(fake.life(), FakeLife::Disabled, "{name}");
    }
}

#[tokio::test]
async fn a_refused_reversible_call_does_not_save_the_credential() {
    let refuse: Instead = |_, asked, _| {
        let first = asked.path.ends_with(":disable") || asked.body.contains("UpdateAccessKey");
        first.then(|| answer(403, "", ""))
    };
    for name in ["aws access key", "gcp"] {
        let fake = Fake::refusing(api(name), refuse);
        assert_eq!(fake.first().await, Outcome::Done(Proof::Confirmed), "{name}");
        assert_eq!(fake.life(), FakeLife::Dead, "{name}");
    }
}

#[tokio::test]
async fn slack_says_in_the_body_what_others_say_in_the_status() {
    let cases: &[(&str, Instead)] = &[
        ("retry", |_, _, kills| {
            kills.then(|| answer(200, "", r#"{"ok":false,"error":"internal_error"}"#))
        }),
        ("retry", |_, _, kills| {
            kills.then(|| answer(200, "", r#"{"ok":false,"error":"ratelimited"}"#))
        }),
        ("retry", |_, _, kills| kills.then(|| answer(200, "", r#"{"ok":true,"revoked":false}"#))),
        ("retry", |_, _, kills| kills.then(|| answer(200, "", "<html>"))),
        // A dead token, or an address that may not ask: a person must look.
        ("fail", |_, _, kills| {
            kills.then(|| answer(200, "", r#"{"ok":false,"error":"invalid_auth"}"#))
        }),
        ("fail", |_, _, kills| {
            kills.then(|| answer(200, "", r#"{"ok":false,"error":"missing_scope"}"#))
        }),
        // Slack took the token from here a moment ago.
        ("done", |_, _, kills| {
            (!kills).then(|| answer(200, "", r#"{"ok":false,"error":"invalid_auth"}"#))
        }),
    ];
    for (want, instead) in cases {
        let outcome = Fake::refusing(api("slack"), *instead).first().await;
        assert_eq!(word(&outcome), *want, "{outcome:?}");
    }
}

#[tokio::test]
async fn aws_says_with_400_that_it_is_throttled() {
    let busy: Instead = |_, _, kills| {
        let body = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
        kills.then(|| answer(400, "", body))
    };
    for name in ["aws access key", "aws role sessions"] {
        let outcome = Fake::refusing(api(name), busy).first().await;
        assert_eq!(word(&outcome), "retry", "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_misspelled_user_or_role_of_aws_is_no_success() {
    let nobody: Instead = |_, _, _| {
        let body = "<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>";
        Some(answer(404, "", body))
    };
    for name in ["aws access key", "aws role sessions"] {
        let outcome = Fake::refusing(api(name), nobody).first().await;
        assert_eq!(word(&outcome), "fail", "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_access_token_that_google_refuses_is_no_call_to_the_key() {
    let refuse: Instead = |_, asked, _| {
        let said = format!(r#"{{"error":"invalid_grant","x":"{}"}}"#, asked.body);
        (asked.path == "/token").then(|| answer(400, "", &said))
    };
    let fake = Fake::refusing(api("gcp"), refuse);
    let Outcome::Fail { error } = fake.first().await else { panic!("refused") };
    assert_eq!(error, "Google's token endpoint answered 400: invalid_grant");
    assert_eq!(fake.provider.everything().len(), 1);
}
