//! The order in which a flow is judged. What rules mean is tested with the
//! compiler that writes the tables.

use std::cell::RefCell;
use std::collections::HashMap;

use super::{
    Charge, Decision, PolicyTables, Socket, decide, decide_arrival, decide_refusal, decide_socket,
    decide_unix, is_allowed_by_rule,
};
use crate::address::Address;
use crate::cap::Cap;
use crate::flow::{CANARY_PORT_PACKET, CANARY_PORT_SOCKET, CANARY_V4, CANARY_V6, Flow, Protocol};
use crate::layout::{AgentLimits, PortList, PortRule};
use crate::record::NO_RULE;
use crate::vocabulary::{Hook, Reason, Verdict};

const SLOT: u32 = 3;
const POLICY: u32 = 9;
const UPLINK: u32 = 5;
const ALLOWED: Address = Address::v4([192, 0, 2, 1]);
const HALF: Address = Address::v4([192, 0, 2, 2]);
const BROKEN: Address = Address::v4([192, 0, 2, 4]);
const OTHER: Address = Address::v4([192, 0, 2, 9]);

/// Addresses are looked up whole; charges are remembered.
struct Tables {
    limits: Option<AgentLimits>,
    quarantined: bool,
    exhausted: Option<Charge>,
    lists: HashMap<Address, PortList>,
    charged: RefCell<Vec<(Charge, u64)>>,
}

impl Default for Tables {
    fn default() -> Self {
        let list = |first, count| PortList { first, count };
        let some = Cap { unit_cost: 1, burst_ticks: 1, max_units: 1 };
        Self {
            limits: Some(AgentLimits {
                policy_id: POLICY,
                packets: some,
                bytes: some,
                connections: some,
                ..AgentLimits::default()
            }),
            quarantined: false,
            exhausted: None,
            lists: HashMap::from([(ALLOWED, list(0, 2)), (HALF, list(0, 1)), (BROKEN, list(7, 1))]),
            charged: RefCell::default(),
        }
    }
}

impl PolicyTables for Tables {
    fn limits(&self, slot: u32) -> Option<&AgentLimits> {
        self.limits.as_ref().filter(|_| slot == SLOT)
    }

    fn quarantined(&self, _slot: u32) -> bool {
        self.quarantined
    }

    fn port_list(&self, limits: &AgentLimits, address: &Address) -> Option<PortList> {
        assert_eq!(limits.policy_id, POLICY);
        self.lists.get(address).copied()
    }

    /// A denial of tcp/22, then an allowance of every TCP port.
    fn port_rule(&self, index: u32) -> Option<PortRule> {
        let tcp = PortRule { protocol: Protocol::TCP.0, ..PortRule::default() };
        match index {
            0 => Some(PortRule { rule: 50, low: 22, high: 22, ..tcp }),
            1 => Some(PortRule { rule: 51, high: u16::MAX, allow: 1, ..tcp }),
            _ => None,
        }
    }

    fn interface(&self, policy_id: u32, index: u32) -> bool {
        assert_eq!(policy_id, POLICY);
        index == UPLINK
    }

    fn charge(&self, slot: u32, which: Charge, _cap: &Cap, units: u64) -> bool {
        assert_eq!(slot, SLOT);
        self.charged.borrow_mut().push((which, units));
        self.exhausted != Some(which)
    }
}

// === impl Tables ===

impl Tables {
    fn audit() -> Self {
        let mut tables = Self::default();
        tables.limits.as_mut().expect("limits").flags = AgentLimits::AUDIT;
        tables
    }

    fn judge(&self, hook: Hook, to: Address, port: u16) -> Decision {
        let flow = Flow {
            destination: to,
            port,
            protocol: Protocol::TCP,
            packets: 4,
            bytes: 6000,
            ..Flow::UNREADABLE
        };
        decide(self, hook, SLOT, &flow, Ok(()))
    }

    fn reason(&self, to: Address, port: u16) -> Reason {
        self.judge(Hook::Egress, to, port).reason
    }
}

#[test]
fn the_first_port_rule_that_matches_decides() {
    let tables = Tables::default();
    let allowed = tables.judge(Hook::Egress, ALLOWED, 443);
    assert_eq!((allowed.verdict, allowed.reason, allowed.rule), (Verdict::Allow, Reason::Rule, 51));
    let denied = tables.judge(Hook::Egress, ALLOWED, 22);
    assert_eq!((denied.verdict, denied.reason, denied.rule), (Verdict::Deny, Reason::DenyRule, 50));
}

#[test]
fn each_absence_denies_with_its_own_reason() {
    let tables = Tables::default();
    assert_eq!(tables.reason(OTHER, 443), Reason::NoRule);
    assert_eq!(tables.reason(HALF, 443), Reason::NoPort);
    assert_eq!(tables.reason(BROKEN, 443), Reason::Internal);
    let nobody = Tables { limits: None, ..Tables::default() };
    assert_eq!(nobody.reason(ALLOWED, 443), Reason::UnboundAgent);
    let empty = Tables { limits: Some(AgentLimits::default()), ..Tables::default() };
    assert_eq!(empty.reason(ALLOWED, 443), Reason::UnboundAgent);
    let unreadable = decide(&tables, Hook::Egress, SLOT, &Flow::UNREADABLE, Err(Reason::Fragment));
    assert_eq!(unreadable, Decision::deny(Reason::Fragment));
    assert_eq!(unreadable.rule, NO_RULE);
}

#[test]
fn quarantine_outranks_every_rule_and_every_mode() {
    for tables in [Tables::default(), Tables::audit()] {
        let tables = Tables { quarantined: true, ..tables };
        for hook in Hook::ALL {
            let got = tables.judge(*hook, ALLOWED, 443);
            assert_eq!(got, Decision::deny(Reason::Quarantined), "{hook:?}");
        }
        let unreadable =
            decide(&tables, Hook::Egress, SLOT, &Flow::UNREADABLE, Err(Reason::Truncated));
        assert_eq!(unreadable.reason, Reason::Quarantined);
        assert!(tables.charged.borrow().is_empty());
    }
}

#[test]
fn egress_charges_packets_and_bytes_and_connect_the_connection() {
    let charges = |hook| {
        let tables = Tables::default();
        assert_eq!(tables.judge(hook, ALLOWED, 443).reason, Reason::Rule);
        tables.charged.into_inner()
    };
    assert_eq!(charges(Hook::Egress), [(Charge::Packets, 4), (Charge::Bytes, 6000)]);
    assert_eq!(charges(Hook::Connect4), [(Charge::Connections, 1)]);
    assert_eq!(charges(Hook::Connect6), [(Charge::Connections, 1)]);
    assert_eq!(charges(Hook::Sendmsg4), []);
}

#[test]
fn what_a_rule_denies_is_not_charged() {
    let tables = Tables::default();
    assert_eq!(tables.reason(ALLOWED, 22), Reason::DenyRule);
    assert_eq!(tables.reason(OTHER, 443), Reason::NoRule);
    assert!(tables.charged.borrow().is_empty());
}

#[test]
fn an_exhausted_cap_denies_and_names_the_rule_that_allowed() {
    for (exhausted, hook, reason) in [
        (Charge::Packets, Hook::Egress, Reason::PacketCap),
        (Charge::Bytes, Hook::Egress, Reason::ByteCap),
        (Charge::Connections, Hook::Connect6, Reason::ConnectionCap),
    ] {
        let tables = Tables { exhausted: Some(exhausted), ..Tables::default() };
        let got = tables.judge(hook, ALLOWED, 443);
        assert_eq!((got.verdict, got.reason, got.rule), (Verdict::Deny, reason, 51));
    }
}

#[test]
fn a_cap_that_is_not_set_is_not_charged() {
    let limits = Some(AgentLimits { policy_id: POLICY, ..AgentLimits::default() });
    let tables = Tables { limits, exhausted: Some(Charge::Packets), ..Tables::default() };
    assert_eq!(tables.reason(ALLOWED, 443), Reason::Rule);
    assert!(tables.charged.borrow().is_empty());
}

#[test]
fn audit_mode_reports_violations_and_caps_and_lets_them_pass() {
    let tables = Tables { exhausted: Some(Charge::Packets), ..Tables::audit() };
    for (to, port, reason) in [
        (OTHER, 443, Reason::NoRule),
        (HALF, 443, Reason::NoPort),
        (ALLOWED, 22, Reason::DenyRule),
        (ALLOWED, 443, Reason::PacketCap),
    ] {
        let got = tables.judge(Hook::Egress, to, port);
        assert_eq!((got.verdict, got.reason, got.audited), (Verdict::Allow, reason, true));
    }
    let unreadable =
        decide(&tables, Hook::Egress, SLOT, &Flow::UNREADABLE, Err(Reason::SourceRoute));
    assert_eq!((unreadable.verdict, unreadable.audited), (Verdict::Allow, true));
}

#[test]
fn audit_mode_does_not_excuse_our_own_faults_or_strangers() {
    let tables = Tables::audit();
    assert_eq!(tables.judge(Hook::Egress, BROKEN, 443), Decision::deny(Reason::Internal));
    let strangers =
        decide(&tables, Hook::Egress, SLOT + 1, &Flow::UNREADABLE, Err(Reason::Truncated));
    assert_eq!(strangers, Decision::deny(Reason::UnboundAgent));
}

#[test]
fn the_canary_is_refused_by_the_hook_it_tests() {
    for tables in
        [Tables::default(), Tables::audit(), Tables { quarantined: true, ..Tables::default() }]
    {
        for canary in [CANARY_V4, CANARY_V6] {
            let verdict = |hook, port| {
                let got = tables.judge(hook, canary, port);
                assert_eq!((got.reason, got.audited), (Reason::Canary, false));
                got.verdict
            };
            assert_eq!(verdict(Hook::Connect4, CANARY_PORT_SOCKET), Verdict::Deny);
            assert_eq!(verdict(Hook::Sendmsg6, CANARY_PORT_SOCKET), Verdict::Deny);
            assert_eq!(verdict(Hook::Connect6, CANARY_PORT_PACKET), Verdict::Allow);
            assert_eq!(verdict(Hook::Egress, CANARY_PORT_PACKET), Verdict::Deny);
            assert_eq!(verdict(Hook::Egress, CANARY_PORT_SOCKET), Verdict::Deny);
        }
    }
}

#[test]
fn sockets_that_no_packet_hook_could_judge_are_not_made() {
    let reason = |tables: &Tables, kind, protocol| {
        decide_socket(tables, SLOT, &Socket { kind, protocol }).reason
    };
    let (stream, datagram, raw, seqpacket) = (1, 2, 3, 5);
    for tables in [Tables::default(), Tables::audit()] {
        for (kind, protocol) in [(stream, 6), (datagram, 17), (datagram, 1), (datagram, 58)] {
            assert_eq!(reason(&tables, kind, protocol), Reason::Rule, "{kind} {protocol}");
        }
        let mptcp = 262;
        for (kind, protocol) in [
            (raw, 255),
            (raw, 1),
            (raw, 6),
            (stream, 132),
            (seqpacket, 132),
            (datagram, 136),
            (stream, mptcp),
            (stream, 17),
            (0, 6),
        ] {
            assert_eq!(reason(&tables, kind, protocol), Reason::SocketType, "{kind} {protocol}");
        }
    }
    let nobody = Tables { limits: None, ..Tables::default() };
    assert_eq!(reason(&nobody, stream, 6), Reason::UnboundAgent);
}

#[test]
fn a_policy_that_names_interfaces_lets_packets_leave_by_no_other() {
    let mut tables = Tables::default();
    tables.limits.as_mut().expect("limits").flags = AgentLimits::INTERFACES;
    let flow =
        Flow { destination: ALLOWED, port: 443, protocol: Protocol::TCP, ..Flow::UNREADABLE };
    let by = |interface| Flow { interface, ..flow };
    let reason = |hook, flow: &Flow| decide(&tables, hook, SLOT, flow, Ok(())).reason;
    assert_eq!(reason(Hook::Egress, &by(UPLINK)), Reason::Rule);
    assert_eq!(reason(Hook::Egress, &by(UPLINK + 1)), Reason::Interface);
    // What `connect` asks for has no interface yet.
    assert_eq!(reason(Hook::Connect4, &by(0)), Reason::Rule);
}

#[test]
fn what_arrives_passes_where_an_answer_would_and_is_never_a_violation() {
    let from =
        |destination| Flow { destination, port: 443, protocol: Protocol::TCP, ..Flow::UNREADABLE };
    let mut tables = Tables::default();
    let reason = |tables: &Tables, slot, flow: &Flow, read| {
        let decision = decide_arrival(tables, slot, flow, read);
        assert_eq!(decision.verdict, decision.reason.verdict());
        assert!(!decision.reason.is_violation());
        decision.reason
    };
    assert_eq!(reason(&tables, SLOT, &from(ALLOWED), Ok(())), Reason::Rule);
    assert_eq!(reason(&tables, SLOT, &from(OTHER), Ok(())), Reason::Inbound);
    assert_eq!(reason(&tables, SLOT + 1, &from(ALLOWED), Ok(())), Reason::Inbound);
    assert_eq!(reason(&tables, SLOT, &from(ALLOWED), Err(Reason::Truncated)), Reason::Inbound);
    assert_eq!(*tables.charged.borrow(), [], "what arrives is not charged");
    assert_eq!(reason(&Tables::audit(), SLOT, &from(OTHER), Ok(())), Reason::Rule);
    tables.quarantined = true;
    assert_eq!(reason(&tables, SLOT, &from(ALLOWED), Ok(())), Reason::Inbound);
}

#[test]
fn what_no_agent_may_do_is_refused_and_only_reported_in_audit_mode() {
    let refused = decide_refusal(&Tables::default(), SLOT, Reason::Device);
    assert_eq!(
        (refused.verdict, refused.reason, refused.audited),
        (Verdict::Deny, Reason::Device, false)
    );
    let reported = decide_refusal(&Tables::audit(), SLOT, Reason::Device);
    assert_eq!(
        (reported.verdict, reported.reason, reported.audited),
        (Verdict::Allow, Reason::Device, true)
    );
    let stranger = decide_refusal(&Tables::audit(), SLOT + 1, Reason::Device);
    assert_eq!(stranger, Decision::deny(Reason::UnboundAgent));
}

#[test]
fn a_unix_socket_needs_a_name_in_the_policy_and_no_quarantine() {
    let mut tables = Tables::default();
    let named = |policy_id| policy_id == POLICY;
    assert_eq!(decide_unix(&tables, SLOT, named).reason, Reason::Rule);
    assert_eq!(decide_unix(&tables, SLOT, |_| false).reason, Reason::UnixPeer);
    assert_eq!(decide_unix(&tables, SLOT + 1, |_| true).reason, Reason::UnboundAgent);
    tables.quarantined = true;
    assert_eq!(decide_unix(&tables, SLOT, named).reason, Reason::Quarantined);
}

#[test]
fn a_rule_allows_what_only_quarantine_and_caps_could_still_refuse() {
    let mut confined = Tables::default();
    confined.limits.as_mut().expect("limits").flags = AgentLimits::INTERFACES;
    let mut open = Tables::default();
    open.lists.extend([CANARY_V4, CANARY_V6].map(|to| (to, PortList { first: 1, count: 1 })));
    let nobodys = Tables { limits: None, ..Tables::default() };
    for tables in [Tables::default(), Tables::audit(), confined, open, nobodys] {
        for destination in [ALLOWED, HALF, BROKEN, OTHER, CANARY_V4, CANARY_V6] {
            for (port, interface) in [(22, UPLINK), (443, UPLINK), (443, UPLINK + 1)] {
                let protocol = Protocol::TCP;
                let flow = Flow { destination, port, protocol, interface, ..Flow::UNREADABLE };
                let decided = decide(&tables, Hook::Egress, SLOT, &flow, Ok(()));
                let by_rule = decided.reason == Reason::Rule;
                assert_eq!(is_allowed_by_rule(&tables, SLOT, &flow), by_rule, "{flow:?}");
            }
        }
    }
}
