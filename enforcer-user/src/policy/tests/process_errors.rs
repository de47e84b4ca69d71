//! `[process]`: its meaning, and every error message of it.

use crate::config::Settings;
use crate::policy::tests::shown;
use crate::policy::{Capability, ProcessGrants, UnixName, parse};

const CASES: &[(&str, &str)] = &[
    ("no table", "process = \"CAP_CHOWN\""),
    ("unknown key", "[process]\ncapability = [\"CAP_CHOWN\"]"),
    ("no list", "[process]\ncapabilities = \"CAP_CHOWN\""),
    ("empty lists", "[process]\ncapabilities = []\nunix = []\ninterfaces = []"),
    ("capability of no kernel", "[process]\ncapabilities = [\"CAP_FLY\"]"),
    ("capability misspelled", "[process]\ncapabilities = [\"CAP_NET_BIND_SERVISE\"]"),
    ("capability in lower case", "[process]\ncapabilities = [\"cap_chown\"]"),
    ("relative path", "[process]\nunix = [\"run/x.sock\"]"),
    ("empty name", "[process]\nunix = [\"\"]"),
    ("climbing path", "[process]\nunix = [\"/run/x/../docker.sock\"]"),
    ("climbing folder", "[process]\nunix = [\"/run/x/../\"]"),
    ("doubled slash", "[process]\nunix = [\"/run//x.sock\"]"),
    ("dot", "[process]\nunix = [\"/run/./x.sock\"]"),
    ("the root of all paths", "[process]\nunix = [\"/\"]"),
    ("abstract without a name", "[process]\nunix = [\"@\"]"),
    ("NUL byte", "[process]\nunix = [\"/run/x\\u0000y\"]"),
    ("one of two is bad", "[process]\nunix = [\"/run/x.sock\", \"x\"]"),
    ("interface of 16 bytes", "[process]\ninterfaces = [\"abcdefghijklmnop\"]"),
    ("interface with a slash", "[process]\ninterfaces = [\"eth/0\"]"),
    ("interface with an alias", "[process]\ninterfaces = [\"eth0:1\"]"),
    ("interface with a blank", "[process]\ninterfaces = [\"eth 0\"]"),
    ("interface without a name", "[process]\ninterfaces = [\"\"]"),
    ("interface named as the parent folder", "[process]\ninterfaces = [\"..\"]"),
];

fn grants(text: &str) -> ProcessGrants {
    let policy = format!("version = 1\nagent = \"a\"\n{text}");
    let read = parse(&policy, None, &Settings::default()).unwrap_or_else(|e| panic!("{e}"));
    read.policies[0].process.clone()
}

fn refused(text: &str) -> bool {
    let policy = format!("version = 1\nagent = \"a\"\n[process]\n{text}");
    parse(&policy, None, &Settings::default()).is_err()
}

#[test]
fn every_error_of_the_process_table() {
    let wrap = |text: &str| (format!("version = 1\nagent = \"a\"\n{text}\n"), None);
    insta::assert_snapshot!(shown(CASES, wrap));
}

#[test]
fn every_capability_that_undoes_enforcement_is_refused_with_the_reason() {
    let undoing = [
        "CAP_SYS_ADMIN",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_BPF",
        "CAP_PERFMON",
        "CAP_SYS_PTRACE",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_MKNOD",
        "CAP_SYS_BOOT",
        "CAP_SYS_TIME",
        "CAP_CHECKPOINT_RESTORE",
        "CAP_DAC_READ_SEARCH",
        "CAP_SETPCAP",
    ];
    let case = |name| format!("version = 1\nagent = \"a\"\n[process]\ncapabilities = [\"{name}\"]");
    let cases: Vec<_> = undoing.map(|name| (name, case(name))).to_vec();
    let cases: Vec<_> = cases.iter().map(|(name, text)| (*name, text.as_str())).collect();
    insta::assert_snapshot!(shown(&cases, |text| (text.to_owned(), None)));
}

#[test]
fn a_policy_without_the_table_grants_nothing() {
    assert_eq!(grants(""), ProcessGrants::default());
    assert_eq!(grants("[process]"), ProcessGrants::default());
}

#[test]
fn grants_are_shown_as_they_are_written_and_each_once() {
    let written = ["/run/postgresql/.s.PGSQL.5432", "@abstract/../name", "/run/enforcer/agents/a/"];
    let grants = grants(&format!(
        "[process]\ncapabilities = [\"CAP_NET_BIND_SERVICE\", \"CAP_NET_BIND_SERVICE\"]\n\
         unix = {written:?}\ninterfaces = [\"eth0\", \"wlp0s20f3.4094\"]"
    ));
    assert_eq!(grants.capabilities, [Capability::CAP_NET_BIND_SERVICE]);
    assert_eq!(grants.unix.iter().map(ToString::to_string).collect::<Vec<_>>(), written);
    let [UnixName::Path(_), UnixName::Abstract(name), UnixName::Under(_)] = &grants.unix[..] else {
        panic!("{:?}", grants.unix)
    };
    assert_eq!(name, "abstract/../name");
    assert_eq!(grants.interfaces, ["eth0", "wlp0s20f3.4094"]);
}

#[test]
fn names_are_as_long_as_the_kernel_has_room() {
    let long = |first: &str, bytes| format!("unix = [\"{first}{}\"]", "x".repeat(bytes));
    assert_eq!(grants(&format!("[process]\n{}", long("/", 106))).unix.len(), 1);
    assert!(refused(&long("/", 107)));
    assert_eq!(grants(&format!("[process]\n{}", long("@", 107))).unix.len(), 1);
    assert!(refused(&long("@", 108)));
    let folder = |bytes| format!("unix = [\"/{}/\"]", "x".repeat(bytes));
    assert_eq!(grants(&format!("[process]\n{}", folder(104))).unix.len(), 1);
    assert!(refused(&folder(105)), "no room for a name below it");
}
