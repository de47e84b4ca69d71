//! Every error message of the settings.

use crate::config::Settings;
use crate::config::tests::without_folder;

const CASES: &[(&str, &str)] = &[
    ("empty file", ""),
    ("only a comment", "# nothing\n"),
    ("version is missing", "root = \"agents.slice\""),
    ("version is not known", "version = 2"),
    ("version is no integer", "version = \"1\""),
    ("version is negative", "version = -1"),
    ("unknown key, one letter off", "version = 1\npolicy = \"p\""),
    ("unknown key, nothing like it", "version = 1\nxyzzy = true"),
    ("unknown key with control characters", "version = 1\n\"a\\u001b[31mb\" = 1"),
    ("not TOML: no value", "version = 1\nroot = \n"),
    ("not TOML: open string", "version = 1\nroot = \"agents\npolicies = \"x\"\n"),
    ("not TOML: duplicate key", "version = 1\nversion = 1\n"),
    ("not TOML: many errors", "version = 1\na b\nc = [1,\nd = }\n"),
    ("wrong type for a path", "version = 1\npolicies = 7"),
    ("an empty path", "version = 1\nstate_dir = \"\""),
    ("root is empty", "version = 1\nroot = \"\""),
    ("root is absolute", "version = 1\nroot = \"/sys/fs/cgroup/agents\""),
    ("root climbs", "version = 1\nroot = \"agents/../..\""),
    ("root is the mount", "version = 1\nroot = \".\""),
    ("root is a glob", "version = 1\nroot = \"agents*\""),
    ("socket address without port", "version = 1\n[metrics]\nlisten = \"127.0.0.1\""),
    ("socket address with a name", "version = 1\n[metrics]\nlisten = \"localhost:9635\""),
    ("metrics without listen", "version = 1\n[metrics]\n"),
    ("metrics is no table", "version = 1\nmetrics = \"127.0.0.1:9635\""),
    ("resolver is no address", "version = 1\nresolvers = [\"127.0.0.53:53\", \"dns.example\"]"),
    ("resolvers are empty", "version = 1\nresolvers = []"),
    ("resolvers are no list", "version = 1\nresolvers = \"127.0.0.53:53\""),
    ("storm budget without unit", "version = 1\n[storm_budget]\nper = \"10\""),
    ("storm budget of no time", "version = 1\n[storm_budget]\nper = \"0s\""),
    ("storm budget of centuries", "version = 1\n[storm_budget]\nper = \"900y\""),
    ("negative revocations", "version = 1\n[storm_budget]\nrevocations = -1"),
    ("too many revocations", "version = 1\n[storm_budget]\nrevocations = 0x1_0000_0000"),
    (
        "revocations beyond 64 bits",
        "version = 1\n[storm_budget]\nrevocations = 99999999999999999999",
    ),
    ("revocations are a float", "version = 1\n[storm_budget]\nrevocations = 1.5"),
    ("capacity of nothing", "version = 1\n[capacity]\nagents = 0"),
    ("capacity beyond reason", "version = 1\n[capacity]\nprefixes = 16777217"),
    ("audit without a unit", "version = 1\n[audit]\nrotate_size = \"64\""),
    ("audit files too small", "version = 1\n[audit]\nkeep_size = \"1KiB\""),
    ("audit kept for nothing", "version = 1\n[audit]\nkeep = \"0s\""),
    ("sink without name and kind", "version = 1\n[[audit.sink]]\n"),
    ("sink of an unknown kind", "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"sylog\""),
    (
        "sink with a path as name",
        "version = 1\n[[audit.sink]]\nname = \"../a\"\nkind = \"http\"\nurl = \"https://a/\"",
    ),
    (
        "syslog without port and with a URL",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"syslog\"\naddress = \"siem\"\nurl = \"https://a/\"",
    ),
    (
        "TLS without authorities",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"syslog\"\naddress = \"siem:6514\"\ntls = true",
    ),
    (
        "authorities without TLS",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"syslog\"\naddress = \"siem:514\"\nca = \"x\"",
    ),
    (
        "HTTP in clear to elsewhere",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"http\"\nurl = \"http://127.siem.example/\"",
    ),
    (
        "HTTP with a password in the URL",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://u:p@siem/\"",
    ),
    (
        "two sinks of one name",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://a/\"\n[[audit.sink]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://b/\"",
    ),
    (
        "sink of an unknown format",
        "version = 1\n[[audit.sink]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://a/\"\nformat = \"cef\"",
    ),
    ("unknown section key", "version = 1\n[capacity]\nagent = 5"),
];

#[test]
fn every_error_names_file_line_value_and_hint() {
    let mut shown = String::new();
    for (name, text) in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("enforcer.toml");
        std::fs::write(&path, text).expect("written");
        let errors = Settings::load(&path).expect_err(name);
        let syntax = |message: &str| message.starts_with("not TOML");
        assert!(errors.iter().all(|e| e.hint.is_some() || syntax(&e.message)), "{name}: {errors}");
        shown += &format!("## {name}\n{}\n\n", without_folder(&errors, folder.path()));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_socket_path_that_unix_cannot_hold_is_an_error() {
    let long = "s".repeat(107);
    let text = |name: &str| format!("version = 1\ncontrol_socket = \"/{name}\"");
    assert!(super::load(&text(&long[1..])).is_ok());
    let errors = super::load(&text(&long)).expect_err("108 bytes");
    assert!(errors.to_string().contains("108 bytes, more than 107"), "{errors}");
}

#[test]
fn all_errors_of_all_files_come_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let conf_d = folder.path().join("conf.d");
    std::fs::create_dir(&conf_d).expect("made");
    let path = folder.path().join("enforcer.toml");
    std::fs::write(&path, "version = 1\nroot = \"\"\nbpf_dir = 1\n").expect("written");
    std::fs::write(conf_d.join("10-a.toml"), "versoin = 1\n").expect("written");
    std::fs::write(conf_d.join("20-b.toml"), "version = 1\n[metrics]\nlisten = 1\n")
        .expect("written");
    let errors = Settings::load(&path).expect_err("five errors");
    assert_eq!(errors.len(), 5);
    insta::assert_snapshot!(without_folder(&errors, folder.path()));
    let json = errors.to_json();
    assert_eq!((&json[0]["line"], &json[0]["col"]), (&2.into(), &8.into()));
    assert_eq!(json[0]["excerpt"], "root = \"\"");
}
