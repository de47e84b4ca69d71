//! Every contradiction between files.

use std::path::Path;

use crate::config::Settings;
use crate::policy::{load, load_files};

/// Policies and credentials by file name, and what the contradiction is.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    (
        "two policies for one agent",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\""),
            ("p/b.toml", "version = 1\nagent = \"a\"\nmode = \"audit\""),
        ],
    ),
    (
        "one cgroup for two agents",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\"\ncgroups = [\"agents.slice/x\"]"),
            ("p/b.toml", "version = 1\nagent = \"b\"\ncgroups = [\"agents.slice/x\"]"),
        ],
    ),
    (
        "a cgroup inside another agent's",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\""),
            (
                "p/b.toml",
                "version = 1\nagent = \"b\"\ncgroups = [\"agents.slice/b\", \"agents.slice/a/inner\"]",
            ),
        ],
    ),
    (
        "a glob that takes another agent's cgroup",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\"\ncgroups = [\"agents.slice/work-*\"]"),
            ("p/b.toml", "version = 1\nagent = \"work-1\""),
        ],
    ),
    (
        "two globs that meet",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\"\ncgroups = [\"agents.slice/w*-x/in\"]"),
            ("p/b.toml", "version = 1\nagent = \"b\"\ncgroups = [\"agents.slice/wo*\"]"),
        ],
    ),
    (
        "a credential of nobody known",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\""),
            (
                "c/k.toml",
                "version = 1\n[[credential]]\nid = \"k\"\nagent = \"b\"\nkind = \"api-key\"\nsecret = { env = \"K\" }",
            ),
        ],
    ),
    (
        "a rule with a credential that is not there",
        &[(
            "p/a.toml",
            "version = 1\nagent = \"a\"\n[[allow]]\nto = [\"any\"]\nports = [\"any\"]\ncredential = \"k\"",
        )],
    ),
    (
        "a rule with a credential of somebody else",
        &[
            (
                "p/a.toml",
                "version = 1\nagent = \"a\"\n[[allow]]\nto = [\"any\"]\nports = [\"any\"]\ncredential = \"k\"",
            ),
            ("p/b.toml", "version = 1\nagent = \"b\""),
            (
                "c/k.toml",
                "version = 1\n[[credential]]\nid = \"k\"\nagent = \"b\"\nkind = \"api-key\"\nsecret = { env = \"K\" }",
            ),
        ],
    ),
    (
        "a credential shared in silence",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\""),
            (
                "c/k.toml",
                "version = 1\n[[credential]]\nid = \"k\"\nagents = [\"a\", \"b\"]\nkind = \"api-key\"\nsecret = { env = \"K\" }",
            ),
        ],
    ),
    (
        "two credentials with one id",
        &[
            ("p/a.toml", "version = 1\nagent = \"a\""),
            (
                "c/k.toml",
                "version = 1\n[[credential]]\nid = \"k\"\nagent = \"a\"\nkind = \"api-key\"\nsecret = { env = \"K\" }",
            ),
            (
                "c/l.toml",
                "version = 1\n[[credential]]\nid = \"k\"\nagent = \"a\"\nkind = \"lease\"\nsecret = { env = \"L\" }",
            ),
        ],
    ),
];

fn load_case(
    folder: &Path,
    files: &[(&str, &str)],
) -> Result<super::super::Inventory, crate::config::Diagnostics> {
    for part in ["p", "c"] {
        std::fs::create_dir(folder.join(part)).expect("made");
    }
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("written");
    }
    let settings = Settings {
        policies: folder.join("p"),
        credentials: folder.join("c"),
        ..Settings::default()
    };
    load(&settings)
}

#[test]
fn every_contradiction_names_both_places() {
    let mut shown = String::new();
    for (name, files) in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        let errors = load_case(folder.path(), files).expect_err(name);
        let text = errors.to_string().replace(&folder.path().to_string_lossy().into_owned(), "DIR");
        shown += &format!("## {name}\n{text}\n\n");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn neighbours_do_not_contradict_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        (
            "p/a.toml",
            "version = 1\nagent = \"a\"\ncgroups = [\"agents.slice/w-*\", \"agents.slice/w-1/in\"]",
        ),
        ("p/b.toml", "version = 1\nagent = \"b\"\ncgroups = [\"agents.slice/v-*\"]"),
        ("p/ab.toml", "version = 1\nagent = \"ab\""),
        (
            "p/c.toml",
            "version = 1\nagent = \"c\"\ncgroups = [\"agents.slice/*-z/c\", \"agents.slice/abc\"]",
        ),
        ("p/d.toml", "version = 1\nagent = \"d\"\ncgroups = [\"agents.slice/*-y/c\"]"),
        (
            "c/k.toml",
            "version = 1\n[[credential]]\nid = \"k\"\nagents = [\"a\", \"b\"]\nshared = true\nkind = \"lease\"\nsecret = { env = \"K\" }",
        ),
    ];
    // `w-*` may be `w-z`, and `*-z/c` would then lie inside it.
    let errors = load_case(folder.path(), &files).expect_err("globs that may meet");
    assert!(errors.iter().all(|error| error.message.contains("may lie in")), "{errors}");
    let apart = tempfile::tempdir().expect("a folder");
    let files: Vec<_> =
        files.into_iter().filter(|(name, _)| !matches!(*name, "p/c.toml" | "p/d.toml")).collect();
    let inventory = load_case(apart.path(), &files).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((inventory.policies.len(), inventory.credentials.len()), (3, 1));
}

#[test]
fn policy_files_given_by_name_are_checked_without_their_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.toml");
    let text = "version = 1\nagent = \"a\"\n[[allow]]\nto = [\"any\"]\nports = [\"any\"]\ncredential = \"k\"";
    std::fs::write(&file, text).expect("written");
    let inventory = load_files(&[file], &Settings::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        inventory.policies[0].rules[0].credential.as_ref().map(ToString::to_string).as_deref(),
        Some("k")
    );
}
