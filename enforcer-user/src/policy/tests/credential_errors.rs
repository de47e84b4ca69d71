//! Every error message of a credential file.

use crate::policy::tests::shown;

const POLICY: &str = "version = 1\nagent = \"a\"";

const FILES: &[(&str, &str)] = &[
    ("empty file", ""),
    ("version is missing", "[[credential]]"),
    ("no credential", "version = 1"),
    ("an empty list", "version = 1\ncredential = []"),
    ("one table", "version = 1\n[credential]\nid = \"x\""),
    ("unknown key", "version = 1\ncredentials = 1"),
    ("nothing said", "version = 1\n[[credential]]"),
];

/// Lines that take the place of the good ones with the same key.
const FIELDS: &[(&str, &str)] = &[
    ("bad id", "id = \"Two Words\""),
    ("agent and agents", "agents = [\"a\"]"),
    ("bad agent", "agent = \"A\""),
    ("agent is a list", "agent = [\"a\"]"),
    ("unknown kind", "kind = \"oauth\""),
    ("no scopes", "scopes = []"),
    ("unknown key", "expire = 2026-12-31T00:00:00Z"),
    ("issued as text", "issued = \"2026-10-01\""),
    ("issued with time", "issued = 2026-10-01T00:00:00Z"),
    ("issued on no day", "issued = 2026-02-30"),
    ("expires as text", "expires = \"2026-12-31T00:00:00Z\""),
    ("expires without offset", "expires = 2026-12-31T00:00:00"),
    ("expires as a date", "expires = 2026-12-31"),
    ("expires before it was issued", "issued = 2026-10-02\nexpires = 2026-10-01T00:00:00Z"),
    ("rotate_every without unit", "rotate_every = \"90\""),
    ("rotate_every as a number", "rotate_every = 90"),
    ("a secret under a misspelled key", "secrets = \"hunter2-hunter2\""),
    ("a secret that is not TOML", "token = hunter2-hunter2"),
    ("the secret itself", "secret = \"hunter2-hunter2\""),
    ("a secret under another key", "secret = { token = \"hunter2-hunter2\" }"),
    ("a secret in a vault", "secret = { vault = \"kv/agents/a#token\" }"),
    ("a secret at aws", "secret = { aws = \"arn:aws:secretsmanager:x\" }"),
    ("a secret in two places", "secret = { file = \"/s\", env = \"S\" }"),
    ("a secret nowhere", "secret = {}"),
    ("a secret in no file", "secret = { file = \"\" }"),
    ("a secret in no variable", "secret = { env = \"hunter2-hunter2\" }"),
    ("shared is no boolean", "shared = \"yes\""),
];

const REVOKE: &[(&str, &str)] = &[
    ("nothing said", ""),
    ("via is no string", "via = 1"),
    ("unknown provider", "via = \"oauth\""),
    ("later provider", "via = \"aws-iam\""),
    ("later provider too", "via = \"github\""),
    ("oauth2 without anything", "via = \"oauth2\""),
    (
        "oauth2 with unknown key",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nclient_secret = { env = \"S\" }\ntoken = 1",
    ),
    (
        "empty client id",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"\"\nclient_secret = { env = \"S\" }",
    ),
    (
        "client secret itself",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nclient_secret = \"hunter2-hunter2\"",
    ),
    ("webhook without anything", "via = \"webhook\""),
    ("no URL", "via = \"webhook\"\nurl = \"revoke me\"\nkey = { env = \"K\" }"),
    ("plain http", "via = \"webhook\"\nurl = \"http://hooks.example/r\"\nkey = { env = \"K\" }"),
    (
        "plain http to a name that looks local",
        "via = \"webhook\"\nurl = \"http://localhost.example/r\"\nkey = { env = \"K\" }",
    ),
    (
        "plain http to a neighbour",
        "via = \"webhook\"\nurl = \"http://128.0.0.1/r\"\nkey = { env = \"K\" }",
    ),
    ("another scheme", "via = \"webhook\"\nurl = \"file:///etc/passwd\"\nkey = { env = \"K\" }"),
    (
        "a password in the URL",
        "via = \"webhook\"\nurl = \"https://me:hunter2-hunter2@hooks.example/\"\nkey = { env = \"K\" }",
    ),
    ("a fragment", "via = \"webhook\"\nurl = \"https://hooks.example/#r\"\nkey = { env = \"K\" }"),
    ("command without argv", "via = \"command\""),
    ("command with empty argv", "via = \"command\"\nargv = []"),
    ("command by relative path", "via = \"command\"\nargv = [\"revoke\", \"now\"]"),
    ("command with NUL", "via = \"command\"\nargv = [\"/bin/true\", \"a\\u0000b\"]"),
    ("command as text", "via = \"command\"\nargv = \"/bin/true\""),
    ("command without time", "via = \"command\"\nargv = [\"/bin/true\"]\ntimeout = \"0s\""),
];

const GOOD: &[(&str, &str)] = &[
    ("id", "id = \"key\""),
    ("agent", "agent = \"a\""),
    ("kind", "kind = \"api-key\""),
    ("secret", "secret = { env = \"KEY\" }"),
];

/// A credential with some lines in place of the good ones.
fn with(lines: &str) -> String {
    let given = |key: &str| lines.lines().any(|line| line.starts_with(&format!("{key} =")));
    let good = GOOD.iter().filter(|(key, _)| !given(key)).map(|(_, line)| *line);
    let good: Vec<_> = good.collect();
    format!("version = 1\n[[credential]]\n{}\n{lines}\n", good.join("\n"))
}

#[test]
fn every_error_of_a_credential_file() {
    insta::assert_snapshot!(shown(FILES, |text| (POLICY.into(), Some(text.into()))));
}

#[test]
fn every_error_of_a_credentials_fields() {
    let shown = shown(FIELDS, |text| (POLICY.into(), Some(with(text))));
    assert!(!shown.contains("hunter2"), "a secret is never shown");
    insta::assert_snapshot!(shown);
}

#[test]
fn every_error_of_a_revoker() {
    let revoke = |text: &str| with(&format!("[credential.revoke]\n{text}"));
    let shown = shown(REVOKE, |text| (POLICY.into(), Some(revoke(text))));
    assert!(!shown.contains("hunter2"), "a secret is never shown");
    insta::assert_snapshot!(shown);
}
