//! Random policies and flows: `decide` over the compiled plan against a walk
//! over the policy's own list of rules.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use enforcer_common::{Protocol, Reason};
use ipnet::IpNet;
use proptest::prelude::*;

use crate::compile::compile;
use crate::compile::tests::table::TestTable;
use crate::config::Settings;
use crate::policy::{
    AgentName, Inventory, Limits, Location, Mode, Policy, Ports, ProcessGrants, Rule, Transport,
};

/// What the policy says, read rule by rule.
fn walk(policy: &Policy, ip: IpAddr, protocol: Protocol, port: u16) -> (Reason, Option<usize>) {
    let rules = || policy.rules.iter().enumerate();
    let names = |rule: &Rule| rule.to.iter().any(|net| net.contains(&ip));
    let opens = |rule: &Rule| rule.ports.iter().any(|ports| matches(*ports, ip, protocol, port));
    if let Some((_, _)) = rules().find(|(_, rule)| !rule.allow && names(rule) && opens(rule)) {
        return (Reason::DenyRule, None);
    }
    let longest =
        |rule: &Rule| rule.to.iter().filter(|n| n.contains(&ip)).map(IpNet::prefix_len).max();
    let allows = rules().filter(|(_, rule)| rule.allow && names(rule) && opens(rule));
    if let Some((id, _)) = allows.max_by_key(|(id, rule)| (longest(rule), std::cmp::Reverse(*id))) {
        return (Reason::Rule, Some(id));
    }
    let named = rules().any(|(_, rule)| names(rule));
    (if named { Reason::NoPort } else { Reason::NoRule }, None)
}

fn matches(ports: Ports, ip: IpAddr, protocol: Protocol, port: u16) -> bool {
    let protocol_fits = match ports.protocol {
        Transport::Any => true,
        Transport::Tcp => protocol == Protocol::TCP,
        Transport::Udp => protocol == Protocol::UDP,
        Transport::Icmp if ip.is_ipv4() => protocol == Protocol::ICMP,
        Transport::Icmp => protocol == Protocol::ICMPV6,
    };
    protocol_fits && ports.low <= port && port <= ports.high
}

/// Addresses close together, so that prefixes nest and flows hit them.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (0_u8..4, 0_u8..4, any::<u8>()).prop_map(|(b, c, d)| IpAddr::from([10, b, c, d]));
    let near = (0_u16..3, 0_u16..3, any::<u16>())
        .prop_map(|(a, b, c)| IpAddr::from([0, 0, 0, 0, 0xfffe + a % 2, b, 0, c]));
    let v6 =
        (0_u16..4, 0_u16..4).prop_map(|(a, b)| IpAddr::from([0x2001, 0xdb8, a, 0, 0, 0, 0, b]));
    prop_oneof![4 => v4, 3 => v6, 1 => near]
        .prop_map(|ip| ip.to_canonical())
        .prop_filter("a destination that stands for itself", |ip| !ip.is_unspecified())
}

fn net() -> impl Strategy<Value = IpNet> {
    (address(), any::<prop::sample::Index>()).prop_map(|(ip, len)| {
        let most: usize = if ip.is_ipv4() { 32 } else { 128 };
        let len = u8::try_from(len.index(most + 1)).expect("at most 128");
        IpNet::new(ip, len).expect("within the family").trunc()
    })
}

fn ports() -> impl Strategy<Value = Ports> {
    let numbered = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)];
    let range = (numbered, 1_u16..6, 0_u16..3).prop_map(|(protocol, low, more)| Ports {
        protocol,
        low,
        high: low + more,
    });
    let whole = prop_oneof![Just(Transport::Any), Just(Transport::Icmp), Just(Transport::Tcp)]
        .prop_map(|protocol| Ports { protocol, low: 0, high: u16::MAX });
    prop_oneof![3 => range, 1 => whole]
}

fn rule() -> impl Strategy<Value = Rule> {
    let to = prop::collection::vec(net(), 1..4);
    let ports = prop::collection::vec(ports(), 1..4);
    (any::<bool>(), to, ports).prop_map(|(allow, to, ports)| Rule {
        allow,
        to,
        ports,
        credential: None,
        location: location(),
    })
}

fn location() -> Location {
    Location { file: Arc::new(PathBuf::from("p.toml")), line: 1 }
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::collection::vec(rule(), 0..12).prop_map(|rules| Policy {
        agent: AgentName::parse("a").expect("a name"),
        mode: Mode::Enforce,
        cgroups: vec!["agents.slice/a".into()],
        rules,
        limits: Limits::default(),
        process: ProcessGrants::default(),
        responses: Vec::new(),
        location: location(),
    })
}

fn flow() -> impl Strategy<Value = (IpAddr, Protocol, u16)> {
    let protocol = prop_oneof![
        4 => Just(Protocol::TCP), 3 => Just(Protocol::UDP), 1 => Just(Protocol::ICMP),
        1 => Just(Protocol::ICMPV6), 1 => Just(Protocol(132))
    ];
    (address(), protocol, 0_u16..9).prop_map(|(ip, protocol, port)| {
        (ip, protocol, if protocol.has_ports() { port } else { 0 })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_plan_decides_as_the_list_of_rules_does(
        policy in policy(),
        flows in prop::collection::vec(flow(), 1..60),
    ) {
        let inventory = Inventory { policies: vec![policy.clone()], credentials: Vec::new() };
        let plan = match compile(&inventory, &Settings::default()) {
            Ok(plan) => plan,
            Err(errors) => {
                prop_assert!(errors.to_string().contains("port rules hold"), "{}", errors);
                return Ok(());
            }
        };
        let table = TestTable::new(&plan.agents[0]);
        for (ip, protocol, port) in flows {
            let got = table.decide(&ip.to_string(), protocol, port);
            let (reason, rule) = walk(&policy, ip, protocol, port);
            prop_assert_eq!(got.reason, reason, "{} {:?} {}", ip, protocol, port);
            if let Some(rule) = rule {
                prop_assert_eq!(got.rule as usize, rule, "{} {:?} {}", ip, protocol, port);
            }
        }
    }
}
