//! The shape and size of plans.

use std::fmt::Write;

use enforcer_common::{AgentLimits, Cap};

use crate::compile::compile;
use crate::compile::tests::table::plan;
use crate::config::{Capacity, Settings};
use crate::policy::parse;

const HEAD: &str = "version = 1\nagent = \"a\"\n";

#[test]
fn the_kernel_gets_mode_caps_and_tripwire() {
    let plan = plan(&format!(
        r#"{HEAD}mode = "audit"
        [limits]
        packets = {{ rate = "2000/s", burst = 4000 }}
        bytes = {{ rate = "10MB/s" }}
        connections = {{ rate = "300/m" }}
        [[respond]]
        when = {{ event = "denied", count = 9, within = "1m" }}
        do = ["alert"]
        [[respond]]
        when = {{ event = "denied", count = 3, within = "10s" }}
        do = ["revoke", "quarantine"]"#
    ));
    let second = 1_000_000_000;
    let want = AgentLimits {
        flags: AgentLimits::AUDIT,
        tripwire_count: 3,
        tripwire_window_ns: 10 * second,
        packets: Cap::new(2000, second, 4000).expect("fits"),
        bytes: Cap::new(10_000_000, second, 2_500_000).expect("fits"),
        connections: Cap::new(300, 60 * second, 1).expect("fits"),
        records: Cap::new(100, second, 200).expect("fits"),
        ..AgentLimits::default()
    };
    assert_eq!(plan.agents[0].limits, want);
}

#[test]
fn what_the_prefix_around_says_already_takes_no_entry() {
    let plan = plan(&format!(
        "{HEAD}[[allow]]\nto = [\"10.0.0.0/8\", \"10.1.0.0/16\", \"10.1.2.3\"]\nports = [\"tcp/443\"]"
    ));
    let agent = &plan.agents[0];
    let own: Vec<_> = agent.prefixes.iter().filter(|prefix| prefix.len == 96 + 8).collect();
    assert_eq!(own.len(), 1);
    assert!(!agent.prefixes.iter().any(|prefix| prefix.len == 96 + 16));
}

#[test]
fn equal_lists_are_stored_once() {
    let mut text = format!("{HEAD}[[allow]]\nports = [\"tcp/443\"]\nto = [");
    for i in 0..200 {
        write!(text, "\"10.0.{i}.1\", ").expect("memory");
    }
    let plan = plan(&(text + "]"));
    assert_eq!(plan.agents[0].lists.len(), 2, "the rule's, and that of metadata services");
}

#[test]
fn the_compilers_own_rule_stands_behind_the_files() {
    let plan = plan(&format!("{HEAD}[[deny]]\nto = [\"10.0.0.0/8\"]"));
    let [file, own] = &plan.agents[0].rules[..] else { panic!("two rules") };
    assert_eq!(file.text, "deny 10.0.0.0/8 any");
    assert_eq!(file.location.as_ref().expect("in the file").line, 3);
    assert!(own.location.is_none() && own.text.contains("169.254.169.254"), "{}", own.text);
}

/// A hundred thousand prefixes, each inside the one before for 16 levels.
#[test]
fn a_hundred_thousand_prefixes_compile_in_seconds() {
    let mut text = format!("{HEAD}[[allow]]\nports = [\"tcp/1\"]\nto = [\"10.0.0.0/8\"]\n");
    text += "[[allow]]\nports = [\"tcp/443\"]\nto = [";
    for i in 0..100_000_u32 {
        let [_, a, b, c] = i.to_be_bytes();
        writeln!(text, "\"10.{a}.{b}.{c}\",").expect("memory");
    }
    let capacity = Capacity { agents: 1, prefixes: 1 << 20, port_rules: 1 << 20 };
    let settings = Settings { capacity, ..Settings::default() };
    let inventory = parse(&(text + "]"), None, &settings).unwrap_or_else(|e| panic!("{e}"));
    let start = std::time::Instant::now();
    let plan = compile(&inventory, &settings).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(plan.agents[0].prefixes.len(), 100_000 + 1 + 4);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

fn refused(policy: &str, capacity: Capacity) -> String {
    let settings = Settings { capacity, ..Settings::default() };
    let inventory = parse(policy, None, &settings).unwrap_or_else(|e| panic!("{e}"));
    compile(&inventory, &settings).expect_err("it does not fit").to_string()
}

#[test]
fn a_plan_that_does_not_fit_is_refused_with_its_numbers() {
    let policy = format!("{HEAD}[[allow]]\nto = [\"10.0.0.0/8\"]\nports = [\"tcp/1\", \"tcp/3\"]");
    let small = Capacity { agents: 1, prefixes: 11, port_rules: 5 };
    insta::assert_snapshot!(refused(&policy, small));
    let fits = Capacity { agents: 1, prefixes: 12, port_rules: 6 };
    let settings = Settings { capacity: fits, ..Settings::default() };
    assert!(compile(&parse(&policy, None, &settings).expect("valid"), &settings).is_ok());
}

#[test]
fn more_agents_than_the_table_has_are_refused() {
    let none = Capacity { agents: 0, prefixes: 100, port_rules: 100 };
    insta::assert_snapshot!(refused(HEAD, none));
}

#[test]
fn a_list_longer_than_the_kernel_walks_is_refused() {
    let ports =
        |from: u16| -> String { (0..33).map(|i| format!("\"tcp/{}\", ", from + 2 * i)).collect() };
    let (wide, narrow) = (ports(1), ports(1001));
    let policy = format!(
        "{HEAD}[[allow]]\nto = [\"10.0.0.0/8\"]\nports = [{wide}]\n[[allow]]\nto = [\"10.1.0.0/16\"]\nports = [{narrow}]"
    );
    let all = Capacity { agents: 1, prefixes: 1000, port_rules: 1000 };
    insta::assert_snapshot!(refused(&policy, all));
}
