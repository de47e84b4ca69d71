//! What policies and credentials mean.

use std::path::PathBuf;
use std::time::Duration;

use time::macros::{date, datetime};

use crate::config::Settings;
use crate::policy::{
    AwsTarget, ClientAuth, CredentialKind, Inventory, Mode, Policy, Rate, Revoker, Sampled,
    SecretRef, Step, Trigger, VaultTarget, parse,
};

fn read(policy: &str, credentials: Option<&str>) -> Inventory {
    parse(policy, credentials, &Settings::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn policy(text: &str) -> Policy {
    read(&format!("version = 1\nagent = \"a\"\n{text}"), None).policies.remove(0)
}

#[test]
fn a_policy_of_two_lines_denies_everything() {
    let policy = policy("");
    assert_eq!(policy.mode, Mode::Enforce);
    assert_eq!(policy.cgroups, ["agents.slice/a"]);
    assert!(policy.rules.is_empty() && policy.responses.is_empty());
    assert_eq!(policy.limits, crate::policy::Limits::default());
    assert_eq!(policy.location.to_string(), "policy.toml:2");
}

#[test]
fn rules_keep_the_files_order_whatever_their_kind() {
    let policy = policy(
        "[[deny]]\nto = [\"10.0.0.1\"]\n[[allow]]\nto = [\"10.0.0.2\"]\nports = [\"tcp/1\"]\n[[deny]]\nto = [\"10.0.0.3\"]",
    );
    let seen: Vec<_> =
        policy.rules.iter().map(|r| (r.allow, r.to[0].to_string(), r.location.line)).collect();
    let want = [(false, "10.0.0.1/32", 3), (true, "10.0.0.2/32", 5), (false, "10.0.0.3/32", 8)];
    assert_eq!(seen, want.map(|(allow, to, line)| (allow, to.to_owned(), line)));
}

#[test]
fn ports_are_shown_as_they_are_written() {
    let all = ["tcp/443", "tcp/8000-8100", "tcp/any", "udp/53", "icmp", "any"];
    let policy = policy(&format!("[[allow]]\nto = [\"any\"]\nports = {all:?}"));
    let shown: Vec<_> = policy.rules[0].ports.iter().map(ToString::to_string).collect();
    assert_eq!(shown, all);
}

#[test]
fn rates_have_units_periods_and_bursts() {
    let rate =
        |units, seconds, burst| Some(Rate { units, period: Duration::from_secs(seconds), burst });
    let limits = policy(
        "[limits]\npackets = { rate = \"2000/s\", burst = 4000 }\nbytes = { rate = \"10MiB/s\", burst = \"1MiB\" }\nconnections = { rate = \"300/m\" }\nevents = { rate = \"90/d\" }",
    )
    .limits;
    assert_eq!(limits.packets, rate(2000, 1, 4000));
    assert_eq!(limits.bytes, rate(10 << 20, 1, 1 << 20));
    assert_eq!(limits.connections, rate(300, 60, 1));
    assert_eq!(limits.events, rate(90, 86_400, 1));
}

#[test]
fn the_default_burst_is_a_quarter_of_a_second_and_holds_a_gso_packet() {
    let limits =
        policy("[limits]\npackets = { rate = \"2000/s\" }\nbytes = { rate = \"100kB/s\" }").limits;
    assert_eq!(limits.packets.map(|rate| rate.burst), Some(500));
    assert_eq!(limits.bytes.map(|rate| rate.burst), Some(256 << 10));
    let fast = policy("[limits]\nbytes = { rate = \"1GB/s\" }").limits;
    assert_eq!(fast.bytes.map(|rate| rate.burst), Some(250_000_000));
}

#[test]
fn steps_are_done_in_the_order_of_the_ladder() {
    let policy = policy(
        "[[respond]]\nwhen = { event = \"rate-limited\", count = 1000, within = \"1m\" }\ndo = [\"quarantine\"]\n[[respond]]\nwhen = { event = \"denied\", count = 128, within = \"500ms\" }\ndo = [\"revoke\", \"alert\", \"quarantine\", \"alert\"]",
    );
    let wire = policy.tripwire().expect("the second one");
    assert_eq!((wire.event, wire.count), (Trigger::Denied, 128));
    assert_eq!(wire.actions, [Step::Alert, Step::Quarantine, Step::Revoke]);
    assert_eq!(wire.within, Duration::from_millis(500));
}

#[test]
fn each_event_of_a_response_has_its_own_words() {
    let respond = |when: &str| {
        let text = format!("[[respond]]\nwhen = {{ {when} }}\ndo = [\"alert\"]");
        let response = policy(&text).responses.remove(0);
        (response.event, response.count, response.within.as_secs(), response.learn.as_secs())
    };
    let day = 86_400;
    let said = [
        r#"event = "connected", count = 9, within = "1m""#,
        r#"event = "destinations", count = 50, within = "1h""#,
        r#"event = "new-destination", count = 1, within = "1h""#,
        r#"event = "bytes", over = "500MB", within = "10m""#,
        r#"event = "throttled", lasting = "30s""#,
        r#"event = "spike", of = "connections", within = "1m""#,
        r#"event = "spike", of = "bytes", score = 5, within = "5m", learn = "7d""#,
    ];
    let meant = [
        (Trigger::Connected, 9, 60, 0),
        (Trigger::Destinations, 50, 3600, 0),
        (Trigger::NewDestination, 1, 3600, day),
        (Trigger::Bytes, 500_000_000, 600, 0),
        (Trigger::Throttled, 1, 30, 0),
        (Trigger::Spike(Sampled::Connections), 8, 60, day),
        (Trigger::Spike(Sampled::Bytes), 5, 300, 7 * day),
    ];
    assert_eq!(said.map(respond), meant);
}

#[test]
fn a_rule_for_a_part_of_the_day_is_not_the_kernels() {
    let night = r#"when = { event = "denied", count = 1, within = "1s", between = "20:00-06:00" }"#;
    let policy = policy(&format!("[[respond]]\n{night}\ndo = [\"quarantine\"]"));
    assert!(policy.responses[0].between.is_some() && policy.tripwire().is_none());
}

#[test]
fn only_the_kernels_tripwire_is_bounded_by_its_ring() {
    let respond = |count: u32, what: &str| {
        format!(
            "[[respond]]\nwhen = {{ event = \"denied\", count = {count}, within = \"1s\" }}\ndo = [\"{what}\"]\n"
        )
    };
    let policy =
        policy(&(respond(5000, "alert") + &respond(3, "quarantine") + &respond(500, "quarantine")));
    assert_eq!(policy.tripwire().map(|wire| wire.count), Some(3));
    assert_eq!(policy.responses.len(), 3);
}

#[test]
fn a_credential_says_all_of_it() {
    let text = r#"
        version = 1
        [[credential]]
        id = "crm"
        agent = "a"
        kind = "oauth2"
        scopes = ["read", "write"]
        issued = 2026-10-01
        expires = 2026-12-31T00:00:00+02:00
        rotate_every = "30d"
        secret = { file = "secrets/token" }
        [credential.revoke]
        via = "oauth2"
        endpoint = "http://127.0.0.1:9700/revoke"
        introspect = "http://[::1]:9700/introspect"
        client_id = "enforcer"
        client_secret = { file = "/etc/enforcer/secrets/client" }
    "#;
    let inventory = read("version = 1\nagent = \"a\"", Some(text));
    let credential = &inventory.credentials[0];
    assert_eq!(credential.kind, CredentialKind::OAuth2);
    assert_eq!(credential.issued, Some(date!(2026 - 10 - 01)));
    assert_eq!(credential.expires, Some(datetime!(2026-12-31 00:00 +2)));
    assert_eq!(credential.rotate_every, Duration::from_secs(30 * 86_400));
    // Relative to the folder of the file, here the current one.
    assert_eq!(credential.secret, SecretRef::File(PathBuf::from("secrets/token")));
    let Some(Revoker::OAuth2 { client_auth, .. }) = &credential.revoke else { panic!("oauth2") };
    let client_secret = SecretRef::File("/etc/enforcer/secrets/client".into());
    assert_eq!(*client_auth, ClientAuth::Secret(client_secret));
}

#[test]
fn webhook_and_command_are_read_with_their_defaults() {
    let one = |id: &str, revoke: &str| {
        format!(
            "[[credential]]\nid = \"{id}\"\nagent = \"a\"\nkind = \"api-key\"\nsecret = {{ env = \"K\" }}\n{revoke}\n"
        )
    };
    let text = "version = 1\n".to_owned()
        + &one(
            "w",
            "[credential.revoke]\nvia = \"webhook\"\nurl = \"https://h.example/r\"\nkey = { env = \"HOOK\" }",
        )
        + &one("c", "[credential.revoke]\nvia = \"command\"\nargv = [\"/bin/true\", \"x\"]")
        + &one("n", "");
    let inventory = read("version = 1\nagent = \"a\"", Some(&text));
    let [command, none, webhook] = &inventory.credentials[..] else { panic!("three, by id") };
    let argv = vec!["/bin/true".to_owned(), "x".to_owned()];
    assert_eq!(command.revoke, Some(Revoker::Command { argv, timeout: Duration::from_secs(30) }));
    assert_eq!(none.revoke, None);
    assert_eq!(none.rotate_every, Duration::from_secs(90 * 86_400));
    let (url, key) = ("https://h.example/r".to_owned(), SecretRef::Env("HOOK".into()));
    assert_eq!(webhook.revoke, Some(Revoker::Webhook { url, key }));
}

/// A credential with this revoker.
fn revoker(text: &str) -> Revoker {
    let text = format!(
        "version = 1\n[[credential]]\nid = \"x\"\nagent = \"a\"\nkind = \"api-key\"\n\
         secret = {{ env = \"K\" }}\n[credential.revoke]\n{text}"
    );
    let mut inventory = read("version = 1\nagent = \"a\"", Some(&text));
    inventory.credentials.remove(0).revoke.expect("a revoker")
}

#[test]
fn providers_have_their_public_address_unless_another_is_given() {
    let own = |text: &str| match revoker(text) {
        Revoker::AwsIam(spec) => spec.endpoint,
        Revoker::Gcp(spec) => spec.endpoint,
        Revoker::GitHub(spec) => spec.endpoint,
        Revoker::GitLab(spec) => spec.endpoint,
        Revoker::Slack(spec) => spec.endpoint,
        Revoker::OpenAi(spec) => spec.endpoint,
        Revoker::Anthropic(spec) => spec.endpoint,
        Revoker::OAuth2 { .. }
        | Revoker::Vault(_)
        | Revoker::Webhook { .. }
        | Revoker::Command { .. } => panic!("it has none"),
    };
    let aws = "via = \"aws-iam\"\nrole = \"r\"\naccess_key_id = \"A\"\n\
               secret_access_key = { env = \"S\" }";
    let gcp = "via = \"gcp\"\nservice_account = \"a@p.example\"\nkey_id = \"1\"\n\
               credentials = { env = \"G\" }";
    let openai = "via = \"openai\"\nproject = \"p\"\nkey_id = \"k\"\nadmin_key = { env = \"K\" }";
    let anthropic = "via = \"anthropic\"\nkey_id = \"k\"\nadmin_key = { env = \"K\" }";
    for (text, public) in [
        (aws, "https://iam.amazonaws.com"),
        (gcp, "https://iam.googleapis.com"),
        ("via = \"github\"", "https://api.github.com"),
        ("via = \"gitlab\"", "https://gitlab.com"),
        ("via = \"slack\"", "https://slack.com"),
        (openai, "https://api.openai.com"),
        (anthropic, "https://api.anthropic.com"),
    ] {
        assert_eq!(own(text), public);
        let other = format!("{text}\nendpoint = \"http://127.0.0.1:9000/\"");
        assert_eq!(own(&other), "http://127.0.0.1:9000");
    }
}

#[test]
fn what_a_revoker_kills_is_said_in_one_way() {
    let server = "via = \"vault\"\nendpoint = \"https://v.example/\"\ntoken = { env = \"T\" }";
    let vault = |target: &str| {
        let revoker = revoker(&format!("{server}\n{target}"));
        let Revoker::Vault(spec) = revoker else { panic!("{}", revoker.as_str()) };
        spec.target
    };
    let reference = || SecretRef::Env("L".into());
    assert_eq!(vault("lease = { env = \"L\" }"), VaultTarget::Lease(reference()));
    assert_eq!(vault("accessor = { env = \"L\" }"), VaultTarget::Accessor(reference()));
    let prefix = VaultTarget::Prefix("database/creds/a".into());
    assert_eq!(vault("prefix = \"database/creds/a/\""), prefix);
    let key = "via = \"aws-iam\"\nuser = \"u\"\nkey_id = \"AKIA1\"\naccess_key_id = \"A\"\n\
               secret_access_key = { env = \"S\" }\nsession_token = { env = \"X\" }";
    let Revoker::AwsIam(spec) = revoker(key) else { panic!("aws") };
    assert_eq!(spec.target, AwsTarget::Key { user: "u".into(), key_id: "AKIA1".into() });
    assert_eq!(spec.key.session, Some(SecretRef::Env("X".into())));
}

#[test]
fn a_client_proves_itself_by_a_private_key_too() {
    let text = "via = \"oauth2\"\nendpoint = \"https://a.example/r\"\n\
                introspect = \"https://a.example/i\"\nclient_id = \"c\"\n\
                private_key = { file = \"/k.pem\" }\nkey_id = \"k1\"\naudience = \"https://a.example\"";
    let Revoker::OAuth2 { client_auth, .. } = revoker(text) else { panic!("oauth2") };
    let key = SecretRef::File("/k.pem".into());
    let audience = "https://a.example".to_owned();
    assert_eq!(client_auth, ClientAuth::PrivateKey { key, key_id: Some("k1".into()), audience });
}
