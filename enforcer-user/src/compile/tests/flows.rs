//! What a policy means, flow by flow.

use enforcer_common::{Protocol, Reason};

use crate::compile::tests::table::TestTable;

const TCP: Protocol = Protocol::TCP;
const UDP: Protocol = Protocol::UDP;
const ICMP: Protocol = Protocol::ICMP;
const ICMPV6: Protocol = Protocol::ICMPV6;

/// A policy's rules, and what becomes of each flow with which rule.
fn judge(rules: &str, flows: &[(&str, Protocol, u16, Reason)]) {
    let table = TestTable::of(&format!("version = 1\nagent = \"a\"\n{rules}"));
    for (to, protocol, port, reason) in flows {
        let got = table.decide(to, *protocol, *port);
        assert_eq!(got.reason, *reason, "{to} {protocol:?}/{port} under\n{rules}");
        assert_eq!(got.verdict, reason.verdict());
    }
}

#[test]
fn without_rules_everything_is_denied() {
    judge(
        "",
        &[
            ("192.0.2.1", TCP, 443, Reason::NoRule),
            ("2001:db8::1", TCP, 443, Reason::NoRule),
            ("127.0.0.1", TCP, 80, Reason::NoRule),
        ],
    );
}

#[test]
fn an_allow_rule_opens_its_addresses_protocols_and_ports_alone() {
    judge(
        r#"
        [[allow]]
        to = ["192.0.2.0/24", "2001:db8::/32"]
        ports = ["tcp/443", "udp/8000-8100"]
        "#,
        &[
            ("192.0.2.0", TCP, 443, Reason::Rule),
            ("192.0.2.255", UDP, 8100, Reason::Rule),
            ("192.0.3.0", TCP, 443, Reason::NoRule),
            ("192.0.1.255", TCP, 443, Reason::NoRule),
            ("192.0.2.1", TCP, 442, Reason::NoPort),
            ("192.0.2.1", TCP, 444, Reason::NoPort),
            ("192.0.2.1", UDP, 7999, Reason::NoPort),
            ("192.0.2.1", UDP, 8101, Reason::NoPort),
            ("192.0.2.1", TCP, 8000, Reason::NoPort),
            ("192.0.2.1", ICMP, 0, Reason::NoPort),
            ("2001:db8:ffff::1", TCP, 443, Reason::Rule),
            ("2001:db9::1", TCP, 443, Reason::NoRule),
        ],
    );
}

#[test]
fn deny_outranks_allow_at_any_prefix_length() {
    judge(
        r#"
        [[allow]]
        to = ["10.20.9.7"]
        ports = ["any"]
        [[deny]]
        to = ["10.20.0.0/16"]
        ports = ["tcp/22"]
        [[allow]]
        to = ["10.0.0.0/8"]
        ports = ["tcp/any"]
        [[deny]]
        to = ["10.30.0.0/16"]
        "#,
        &[
            ("10.20.9.7", TCP, 22, Reason::DenyRule),
            ("10.20.9.7", TCP, 23, Reason::Rule),
            ("10.20.9.7", UDP, 22, Reason::Rule),
            ("10.20.9.8", TCP, 22, Reason::DenyRule),
            ("10.21.0.0", TCP, 22, Reason::Rule),
            ("10.30.1.1", TCP, 80, Reason::DenyRule),
            ("10.30.1.1", UDP, 80, Reason::DenyRule),
            ("10.29.255.255", UDP, 80, Reason::NoPort),
        ],
    );
}

#[test]
fn an_allow_of_a_shorter_prefix_holds_inside_a_longer_one() {
    judge(
        r#"
        [[allow]]
        to = ["10.0.0.0/8"]
        ports = ["tcp/80"]
        [[allow]]
        to = ["10.1.0.0/16"]
        ports = ["tcp/443"]
        "#,
        &[
            ("10.1.2.3", TCP, 443, Reason::Rule),
            ("10.1.2.3", TCP, 80, Reason::Rule),
            ("10.2.2.3", TCP, 443, Reason::NoPort),
        ],
    );
}

#[test]
fn the_longest_prefix_is_named_as_the_rule() {
    let table = TestTable::of(
        r#"
        version = 1
        agent = "a"
        [[allow]]
        to = ["any"]
        ports = ["any"]
        [[allow]]
        to = ["10.1.0.0/16"]
        ports = ["tcp/443"]
        [[allow]]
        to = ["10.0.0.0/8"]
        ports = ["tcp/443", "udp/53"]
        "#,
    );
    assert_eq!(table.decide("10.1.0.1", TCP, 443).rule, 1);
    assert_eq!(table.decide("10.1.0.1", UDP, 53).rule, 2);
    assert_eq!(table.decide("10.2.0.1", TCP, 443).rule, 2);
    assert_eq!(table.decide("10.1.0.1", TCP, 80).rule, 0);
    assert_eq!(table.decide("11.0.0.1", TCP, 443).rule, 0);
}

#[test]
fn an_ipv6_rule_never_governs_ipv4() {
    for v6 in ["::/0", "::/1", "::/64", "::fffe:0:0/95"] {
        judge(
            &format!("[[allow]]\nto = [\"{v6}\"]\nports = [\"any\"]"),
            &[
                ("192.0.2.1", TCP, 443, Reason::NoRule),
                ("::ffff:192.0.2.1", TCP, 443, Reason::NoRule),
                ("::ffff:0:1", TCP, 443, Reason::NoRule),
            ],
        );
    }
    judge(
        "[[allow]]\nto = [\"::/0\"]\nports = [\"any\"]\n[[allow]]\nto = [\"10.0.0.0/8\"]\nports = [\"tcp/1\"]",
        &[
            ("10.1.1.1", TCP, 1, Reason::Rule),
            ("10.1.1.1", TCP, 2, Reason::NoPort),
            ("11.1.1.1", TCP, 1, Reason::NoRule),
            ("2001:db8::1", TCP, 2, Reason::Rule),
            ("::fffe:c000:201", TCP, 2, Reason::Rule),
            ("::c000:201", TCP, 2, Reason::Rule),
        ],
    );
}

#[test]
fn an_ipv4_rule_never_governs_ipv6() {
    judge(
        "[[allow]]\nto = [\"0.0.0.0/0\"]\nports = [\"any\"]",
        &[
            ("192.0.2.1", TCP, 443, Reason::Rule),
            ("::ffff:192.0.2.1", TCP, 443, Reason::Rule),
            ("2001:db8::1", TCP, 443, Reason::NoRule),
            ("::fffe:c000:201", TCP, 443, Reason::NoRule),
        ],
    );
}

#[test]
fn a_v4_mapped_rule_is_one_for_ipv4() {
    judge(
        "[[allow]]\nto = [\"::ffff:10.0.0.0/104\"]\nports = [\"tcp/1\"]",
        &[("10.9.9.9", TCP, 1, Reason::Rule), ("11.0.0.0", TCP, 1, Reason::NoRule)],
    );
}

#[test]
fn icmp_is_never_implied_by_an_address_and_each_family_has_its_own() {
    judge(
        r#"
        [[allow]]
        to = ["192.0.2.1", "2001:db8::1"]
        ports = ["icmp"]
        [[allow]]
        to = ["192.0.2.2"]
        ports = ["tcp/any", "udp/any"]
        "#,
        &[
            ("192.0.2.1", ICMP, 0, Reason::Rule),
            ("192.0.2.1", ICMPV6, 0, Reason::NoPort),
            ("2001:db8::1", ICMPV6, 0, Reason::Rule),
            ("2001:db8::1", ICMP, 0, Reason::NoPort),
            ("192.0.2.2", ICMP, 0, Reason::NoPort),
        ],
    );
}

#[test]
fn the_words_mean_both_families() {
    let policy =
        "[[allow]]\nto = [\"localhost\", \"link-local\", \"multicast\"]\nports = [\"any\"]";
    judge(
        policy,
        &[
            ("127.0.0.1", TCP, 1, Reason::Rule),
            ("127.255.255.255", TCP, 1, Reason::Rule),
            ("128.0.0.0", TCP, 1, Reason::NoRule),
            ("::1", TCP, 1, Reason::Rule),
            ("::2", TCP, 1, Reason::NoRule),
            ("169.254.1.1", TCP, 1, Reason::Rule),
            ("fe80::1", TCP, 1, Reason::Rule),
            ("fe80:0:0:1::", TCP, 1, Reason::NoRule),
            ("224.0.0.0", UDP, 1, Reason::Rule),
            ("239.255.255.255", UDP, 1, Reason::Rule),
            ("240.0.0.0", UDP, 1, Reason::NoRule),
            ("ff02::1", UDP, 1, Reason::Rule),
            ("0.0.0.0", TCP, 1, Reason::Rule),
            ("::", TCP, 1, Reason::Rule),
        ],
    );
}

#[test]
fn metadata_is_denied_unless_named_by_itself() {
    let services = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192"];
    for host in services {
        for wide in ["any", "169.254.0.0/16\", \"fd00::/8\", \"100.64.0.0/10\", \"192.0.0.0/24"] {
            let rule = format!("[[allow]]\nto = [\"{wide}\"]\nports = [\"any\"]");
            judge(&rule, &[(host, TCP, 80, Reason::DenyRule)]);
            let named = format!("{rule}\n[[allow]]\nto = [\"{host}\"]\nports = [\"tcp/80\"]");
            judge(&named, &[(host, TCP, 80, Reason::Rule)]);
            let others = services.iter().filter(|other| **other != host);
            for other in others {
                judge(&named, &[(other, TCP, 80, Reason::DenyRule)]);
            }
        }
    }
    judge(
        "[[allow]]\nto = [\"any\"]\nports = [\"any\"]",
        &[("169.254.169.253", TCP, 80, Reason::Rule), ("169.254.169.255", TCP, 80, Reason::Rule)],
    );
}
