//! Every error message of a policy but those of its rules.

use crate::policy::tests::shown;

const CASES: &[(&str, &str)] = &[
    ("empty file", ""),
    ("version is missing", "agent = \"a\""),
    ("version is not known", "version = 7\nagent = \"a\""),
    ("agent is missing", "version = 1"),
    ("agent name in capitals", "version = 1\nagent = \"Coding\""),
    ("agent name is empty", "version = 1\nagent = \"\""),
    ("agent name is a path", "version = 1\nagent = \"../x\""),
    ("agent name starts with a dot", "version = 1\nagent = \".x\""),
    (
        "agent name too long",
        "version = 1\nagent = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
    ),
    ("agent is no string", "version = 1\nagent = [\"a\"]"),
    ("unknown key", "version = 1\nagent = \"a\"\nallows = []"),
    ("mode misspelled", "version = 1\nagent = \"a\"\nmode = \"enforced\""),
    ("mode of another tool", "version = 1\nagent = \"a\"\nmode = \"permissive\""),
    ("many errors", "version = 2\nagent = \"A\"\nmode = 1\ncgroups = []\n[limits]\npacket = 1"),
    (
        "syntax error beside others",
        "version = 1\nagent = \"A\"\nmode = \n[[allow]]\nto = [\"x.y\"]",
    ),
];

const CGROUPS: &[(&str, &str)] = &[
    ("no cgroups", "[]"),
    ("cgroups are no list", "\"agents.slice/a\""),
    ("absolute", "[\"/sys/fs/cgroup/agents.slice/a\"]"),
    ("climbing", "[\"agents.slice/../system.slice\"]"),
    ("empty", "[\"\"]"),
    ("slash at the end", "[\"agents.slice/a/\"]"),
    ("the root itself", "[\"agents.slice\"]"),
    ("outside the root", "[\"system.slice/a\"]"),
    ("beside the root", "[\"agents.slice2/a\"]"),
    ("too deep", "[\"agents.slice/1/2/3/4/5/6/7/8/9\"]"),
    ("any depth", "[\"agents.slice/**\"]"),
    ("open class", "[\"agents.slice/a[bc\"]"),
    ("one of two is bad", "[\"agents.slice/a\", \"b\"]"),
];

const LIMITS: &[(&str, &str)] = &[
    ("unknown limit", "packet = { rate = \"1/s\" }"),
    ("limit of destinations", "destinations = { rate = \"50/h\" }"),
    ("no table", "packets = \"2000/s\""),
    ("no rate", "packets = { burst = 5 }"),
    ("unknown key", "packets = { rate = \"1/s\", bursts = 5 }"),
    ("rate without period", "packets = { rate = \"2000\" }"),
    ("rate of an unknown period", "packets = { rate = \"2000/week\" }"),
    ("rate of zero", "packets = { rate = \"0/s\" }"),
    ("negative rate", "packets = { rate = \"-1/s\" }"),
    ("rate as a number", "packets = { rate = 2000 }"),
    ("rate beyond 64 bits", "packets = { rate = \"99999999999999999999/s\" }"),
    ("bytes without unit", "bytes = { rate = \"10/s\" }"),
    ("bytes in an unknown unit", "bytes = { rate = \"10Mb/s\" }"),
    ("bytes with a fraction", "bytes = { rate = \"1.5MB/s\" }"),
    ("bytes beyond 64 bits", "bytes = { rate = \"18446744073709551615GB/s\" }"),
    ("burst of zero", "packets = { rate = \"1/s\", burst = 0 }"),
    ("burst as text", "packets = { rate = \"1/s\", burst = \"5\" }"),
    ("byte burst in an unknown unit", "bytes = { rate = \"1MB/s\", burst = \"1 MiB\" }"),
    ("burst that never refills", "packets = { rate = \"1/d\", burst = 1000 }"),
];

const RESPOND: &[(&str, &str)] = &[
    ("nothing said", "[[respond]]"),
    ("no list of tables", "respond = [1]"),
    ("when is no table", "[[respond]]\nwhen = \"denied\"\ndo = [\"alert\"]"),
    ("when is empty", "[[respond]]\nwhen = {}\ndo = [\"alert\"]"),
    (
        "unknown key",
        "[[respond]]\nif = 1\nwhen = { event = \"denied\", count = 1, within = \"1s\", x = 1 }\ndo = [\"alert\"]",
    ),
    (
        "unknown event",
        "[[respond]]\nwhen = { event = \"deny\", count = 1, within = \"1s\" }\ndo = [\"alert\"]",
    ),
    (
        "later event",
        "[[respond]]\nwhen = { event = \"dns-denied\", count = 1, within = \"1s\" }\ndo = [\"alert\"]",
    ),
    (
        "count of zero",
        "[[respond]]\nwhen = { event = \"denied\", count = 0, within = \"1s\" }\ndo = [\"alert\"]",
    ),
    (
        "within no time",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"soon\" }\ndo = [\"alert\"]",
    ),
    (
        "nothing to do",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1s\" }\ndo = []",
    ),
    (
        "unknown step",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1s\" }\ndo = [\"revok\"]",
    ),
    (
        "later step",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1s\" }\ndo = [\"rotate\"]",
    ),
    (
        "too many destinations",
        "[[respond]]\nwhen = { event = \"destinations\", count = 20000, within = \"1h\" }\ndo = [\"alert\"]",
    ),
    (
        "bytes without an amount",
        "[[respond]]\nwhen = { event = \"bytes\", count = 3, within = \"1h\" }\ndo = [\"alert\"]",
    ),
    (
        "bytes of no size",
        "[[respond]]\nwhen = { event = \"bytes\", over = \"much\", within = \"1h\" }\ndo = [\"alert\"]",
    ),
    (
        "throttled by count",
        "[[respond]]\nwhen = { event = \"throttled\", count = 3, within = \"1h\" }\ndo = [\"alert\"]",
    ),
    (
        "a spike of something else",
        "[[respond]]\nwhen = { event = \"spike\", of = \"byte\", within = \"1m\" }\ndo = [\"alert\"]",
    ),
    (
        "a spike that is none",
        "[[respond]]\nwhen = { event = \"spike\", of = \"bytes\", score = 1, within = \"1m\" }\ndo = [\"alert\"]",
    ),
    (
        "learning where nothing is compared",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1m\", learn = \"1d\" }\ndo = [\"alert\"]",
    ),
    (
        "no part of the day",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1m\", between = \"8-18\" }\ndo = [\"alert\"]",
    ),
    (
        "an empty part of the day",
        "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1m\", between = \"08:00-08:00\" }\ndo = [\"alert\"]",
    ),
    (
        "tripwire beyond its ring",
        "[[respond]]\nwhen = { event = \"denied\", count = 129, within = \"1s\" }\ndo = [\"quarantine\"]",
    ),
];

fn after_head(head: &'static str) -> impl Fn(&str) -> (String, Option<String>) {
    move |text| (format!("version = 1\nagent = \"a\"\n{head}{text}\n"), None)
}

#[test]
fn every_error_of_a_policys_head() {
    insta::assert_snapshot!(shown(CASES, |text| (text.to_owned(), None)));
}

#[test]
fn every_error_of_cgroups() {
    insta::assert_snapshot!(shown(CGROUPS, after_head("cgroups = ")));
}

#[test]
fn every_error_of_limits() {
    insta::assert_snapshot!(shown(LIMITS, after_head("[limits]\n")));
}

#[test]
fn every_error_of_responses() {
    insta::assert_snapshot!(shown(RESPOND, after_head("")));
}
