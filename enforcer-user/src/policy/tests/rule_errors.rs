//! Every error message of a rule.

use crate::policy::tests::shown;

const TO: &[(&str, &str)] = &[
    ("empty list", "[]"),
    ("no list", "\"10.0.0.0/8\""),
    ("a number in it", "[10]"),
    ("a table in it", "[{ cidr = \"10.0.0.0/8\" }]"),
    ("host bits of IPv4", "[\"10.20.3.4/16\"]"),
    ("host bits of IPv6", "[\"2001:db8::1/32\"]"),
    ("prefix too long for IPv4", "[\"10.0.0.0/33\"]"),
    ("prefix too long for IPv6", "[\"2001:db8::/129\"]"),
    ("no prefix length", "[\"10.0.0.0/\"]"),
    ("prefix length with a sign", "[\"10.0.0.0/+8\"]"),
    ("a netmask", "[\"10.0.0.0/255.0.0.0\"]"),
    ("three octets", "[\"10.0.0\"]"),
    ("octal octets", "[\"010.0.0.1\"]"),
    ("a zone", "[\"fe80::1%eth0\"]"),
    ("a port", "[\"10.0.0.1:443\"]"),
    ("a name", "[\"api.example.com\"]"),
    ("a wildcard name", "[\"**.example.com\"]"),
    ("a star", "[\"*\"]"),
    ("a URL", "[\"https://api.example.com/v1\"]"),
    ("a word misspelled", "[\"locahost\"]"),
    ("a word in capitals", "[\"ANY\"]"),
    ("an empty string", "[\"\"]"),
    ("escape sequences", "[\"\\u001b[2J\\u0000\"]"),
    ("two bad of three", "[\"10.0.0.1\", \"10.0.0.256\", \"x.y\"]"),
];

const PORTS: &[(&str, &str)] = &[
    ("empty list", "[]"),
    ("no list", "\"tcp/443\""),
    ("a number", "[443]"),
    ("no protocol", "[\"443\"]"),
    ("no port", "[\"tcp\"]"),
    ("capitals", "[\"TCP/443\"]"),
    ("unknown protocol", "[\"sctp/5000\"]"),
    ("port zero", "[\"tcp/0\"]"),
    ("port beyond 65535", "[\"tcp/65536\"]"),
    ("range from zero", "[\"udp/0-5\"]"),
    ("range backwards", "[\"tcp/8100-8000\"]"),
    ("open range", "[\"tcp/8000-\"]"),
    ("two dashes", "[\"tcp/1-2-3\"]"),
    ("a sign", "[\"tcp/+443\"]"),
    ("a space", "[\"tcp/ 443\"]"),
    ("a service name", "[\"tcp/https\"]"),
    ("a port of icmp", "[\"icmp/8\"]"),
    ("a port of any", "[\"any/443\"]"),
    ("an empty string", "[\"\"]"),
];

const RULES: &[(&str, &str)] = &[
    ("allow without ports", "[[allow]]\nto = [\"10.0.0.0/8\"]"),
    ("allow without destinations", "[[allow]]\nports = [\"tcp/443\"]"),
    ("deny without destinations", "[[deny]]\nports = [\"tcp/443\"]"),
    ("an empty allow list", "allow = []"),
    ("allow is no list", "allow = \"all\""),
    ("allow is one table", "[allow]\nto = [\"any\"]\nports = [\"any\"]"),
    ("unknown key", "[[allow]]\nto = [\"any\"]\nport = [\"tcp/1\"]"),
    ("tls_name", "[[allow]]\nto = [\"192.0.2.1\"]\nports = [\"tcp/443\"]\ntls_name = \"require\""),
    ("bad credential id", "[[allow]]\nto = [\"any\"]\nports = [\"any\"]\ncredential = \"My Key\""),
];

fn rule(line: impl Fn(&str) -> String) -> impl Fn(&str) -> (String, Option<String>) {
    move |text| (format!("version = 1\nagent = \"a\"\n{}\n", line(text)), None)
}

#[test]
fn every_error_of_destinations() {
    let line = |text: &str| format!("[[allow]]\nports = [\"any\"]\nto = {text}");
    insta::assert_snapshot!(shown(TO, rule(line)));
}

#[test]
fn every_error_of_ports() {
    let line = |text: &str| format!("[[allow]]\nto = [\"any\"]\nports = {text}");
    insta::assert_snapshot!(shown(PORTS, rule(line)));
}

#[test]
fn every_error_of_a_rule_as_a_whole() {
    insta::assert_snapshot!(shown(RULES, rule(str::to_owned)));
}
