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
    ("a secret store is no provider", "via = \"aws-secrets\""),
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
    (
        "secret and private key",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nclient_secret = { env = \"S\" }\nprivate_key = { env = \"K\" }\naudience = \"https://a.example\"",
    ),
    (
        "private key for nobody",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nprivate_key = { env = \"K\" }",
    ),
    (
        "private key itself",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nprivate_key = \"hunter2-hunter2\"\naudience = \"https://a.example\"",
    ),
    (
        "key id without a key",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nclient_secret = { env = \"S\" }\nkey_id = \"k\"",
    ),
    (
        "audience without a key",
        "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\nintrospect = \"https://a.example/i\"\nclient_id = \"c\"\nclient_secret = { env = \"S\" }\naudience = \"https://a.example\"",
    ),
    ("vault without anything", "via = \"vault\""),
    (
        "vault with nothing to kill",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\n",
    ),
    (
        "vault with two things to kill",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\nprefix = \"database/creds/a\"\naccessor = { env = \"A\" }",
    ),
    (
        "vault with a lease itself",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\nlease = \"hunter2-hunter2\"",
    ),
    (
        "vault with its token itself",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = \"hunter2-hunter2\"\nprefix = \"a/b\"",
    ),
    (
        "a path that begins with a slash",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\nprefix = \"/database/creds/a\"",
    ),
    (
        "a path that climbs",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\nprefix = \"database/../sys\"",
    ),
    (
        "a path that is everything",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\nprefix = \"\"",
    ),
    (
        "a namespace that is no path",
        "via = \"vault\"\nendpoint = \"https://v.example\"\ntoken = { env = \"T\" }\nprefix = \"a/b\"\nnamespace = \"a b\"",
    ),
    (
        "vault by plain http",
        "via = \"vault\"\nendpoint = \"http://v.example\"\ntoken = { env = \"T\" }\nprefix = \"a/b\"",
    ),
    ("aws without anything", "via = \"aws-iam\""),
    (
        "aws with nothing to kill",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\n",
    ),
    (
        "aws with a key of nobody",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\nkey_id = \"AKIAX\"",
    ),
    (
        "aws with a user without a key",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\nuser = \"agent\"",
    ),
    (
        "aws with a role and a key",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\nrole = \"r\"\nuser = \"agent\"\nkey_id = \"AKIAX\"",
    ),
    (
        "aws with a role by ARN",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\nrole = \"arn:aws:iam::1:role/r\"",
    ),
    (
        "aws with a secret where an id belongs",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\nuser = \"agent\"\nkey_id = \"hunter2-hunter2/x\"",
    ),
    (
        "aws with its secret itself",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = \"hunter2-hunter2\"\nrole = \"r\"",
    ),
    (
        "an endpoint with a query",
        "via = \"aws-iam\"\naccess_key_id = \"AKIAOWN\"\nsecret_access_key = { env = \"S\" }\nrole = \"r\"\nendpoint = \"https://iam.example/?x=1\"",
    ),
    ("gcp without anything", "via = \"gcp\""),
    (
        "gcp with a key by its path",
        "via = \"gcp\"\nservice_account = \"a@p.example\"\nkey_id = \"projects/p/keys/1\"\ncredentials = { env = \"G\" }",
    ),
    ("github with half an app", "via = \"github\"\nclient_id = \"Iv1.a\""),
    ("github with the other half", "via = \"github\"\nclient_secret = { env = \"S\" }"),
    ("github with a token", "via = \"github\"\ntoken = \"hunter2-hunter2\""),
    ("gitlab with an id and nobody to revoke", "via = \"gitlab\"\ntoken_id = 42"),
    ("gitlab with somebody to revoke nothing", "via = \"gitlab\"\ntoken = { env = \"T\" }"),
    ("gitlab with an id as text", "via = \"gitlab\"\ntoken_id = \"42\"\ntoken = { env = \"T\" }"),
    ("slack with a token", "via = \"slack\"\ntoken = { env = \"T\" }"),
    ("slack by plain http", "via = \"slack\"\nendpoint = \"http://slack.example\""),
    ("openai without anything", "via = \"openai\""),
    (
        "openai with a key where its id belongs",
        "via = \"openai\"\nproject = \"proj_a\"\nkey_id = \"sk hunter2-hunter2\"\nadmin_key = { env = \"K\" }",
    ),
    (
        "openai with its admin key itself",
        "via = \"openai\"\nproject = \"proj_a\"\nkey_id = \"key_a\"\nadmin_key = \"hunter2-hunter2\"",
    ),
    ("anthropic without anything", "via = \"anthropic\""),
    (
        "anthropic with a project",
        "via = \"anthropic\"\nkey_id = \"apikey_1\"\nadmin_key = { env = \"K\" }\nproject = \"p\"",
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
