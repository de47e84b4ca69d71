//! `enforcer check` as a whole: what it prints and how it exits.

use std::path::{Path, PathBuf};

use enforcer_user::cli::check::{INVALID, Options, VALID, run};
use serde_json::Value;

const POLICY: &str = r#"version = 1
agent = "a"
[[allow]]
to = ["192.0.2.0/24", "2001:db8::/32"]
ports = ["tcp/443"]
credential = "key"
"#;

const CREDENTIALS: &str = r#"version = 1
[[credential]]
id = "key"
agent = "a"
kind = "api-key"
secret = { file = "secrets/key" }
"#;

/// A configured folder, and its settings file.
fn configured(policy: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("enforcer.toml", "version = 1\npolicies = \"p\"\ncredentials = \"c\"\n");
    write("p/a.toml", policy);
    write("c/key.toml", CREDENTIALS);
    let config = folder.path().join("enforcer.toml");
    (folder, config)
}

/// Exit code, standard output and standard error.
fn checked(options: &Options) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(options, &mut out, &mut err).expect("written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (code, text(out), text(err))
}

fn with(config: &Path, json: bool) -> Options {
    Options { config: Some(config.to_path_buf()), json, ..Options::default() }
}

#[test]
fn a_valid_configuration_is_counted() {
    let (_folder, config) = configured(POLICY);
    let (code, out, err) = checked(&with(&config, false));
    // Two prefixes of the rule, four of cloud metadata services.
    assert_eq!(out, "valid: agents 1, rules 1, prefixes 6, credentials 1\n");
    assert_eq!((code, err.as_str()), (VALID, ""));
}

#[test]
fn every_error_is_printed_with_the_number_of_them() {
    let (folder, config) = configured(&POLICY.replace("tcp/443", "tcp").replace("\"a\"", "\"A\""));
    let (code, out, err) = checked(&with(&config, false));
    assert_eq!((code, out.as_str()), (INVALID, ""));
    insta::assert_snapshot!(err.replace(&*folder.path().to_string_lossy(), "DIR"));
}

#[test]
fn json_says_the_same_to_programs() {
    let (_folder, config) = configured(POLICY);
    let (code, out, _) = checked(&with(&config, true));
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &report["valid"], &report["numbers"]["rules"]),
        (VALID, &true.into(), &1.into())
    );
    let (_folder, config) = configured(&POLICY.replace("tcp/443", "tcp/0"));
    let (code, out, err) = checked(&with(&config, true));
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let error = &report["errors"][0];
    assert_eq!((code, err.as_str(), &report["valid"]), (INVALID, "", &false.into()));
    assert_eq!((&error["line"], &error["col"]), (&5.into(), &10.into()));
    assert_eq!(error["excerpt"], "ports = [\"tcp/0\"]");
    assert!(error["hint"].is_string() && error["file"].is_string(), "{error}");
}

#[test]
fn policy_files_are_checked_on_a_machine_without_credentials() {
    let (folder, config) = configured("not even TOML");
    let file = folder.path().join("candidate.toml");
    std::fs::write(&file, POLICY).expect("written");
    let options = Options { policies: vec![file], ..with(&config, false) };
    let (code, out, err) = checked(&options);
    assert_eq!(
        (code, out.as_str()),
        (VALID, "valid: agents 1, rules 1, prefixes 6, credentials 0\n")
    );
    assert!(err.starts_with("not looked up: credentials"), "{err}");
}

#[test]
fn a_plan_that_does_not_fit_is_invalid() {
    let (_folder, config) = configured(POLICY);
    let text = std::fs::read_to_string(&config).expect("readable") + "[capacity]\nprefixes = 11\n";
    std::fs::write(&config, text).expect("written");
    let (code, _, err) = checked(&with(&config, false));
    assert_eq!(code, INVALID);
    assert!(err.contains("need 14 entries, more than 11"), "{err}");
}
