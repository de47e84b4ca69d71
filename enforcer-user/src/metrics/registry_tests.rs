use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use enforcer_common::Reason;

use super::*;
use crate::audit::SinkView;
use crate::metrics::{CounterRow, CredentialRow, MapRow, UNASSIGNED};

fn row(agent: &str, reason: Reason, audited: bool) -> CounterRow {
    let agent = agent.to_owned();
    CounterRow { agent, reason, audited, packets: 3, bytes: 300, connections: 2, sockets: 0 }
}

fn snapshot() -> Snapshot {
    Snapshot {
        counters: vec![
            row("a", Reason::Rule, false),
            row("a", Reason::NoRule, false),
            row("a", Reason::NoPort, true),
            row("a", Reason::PacketCap, false),
            row("a", Reason::Canary, false),
            row(UNASSIGNED, Reason::UnboundAgent, false),
        ],
        quarantined: vec![("a".to_owned(), true)],
        verified: vec![("a".to_owned(), true)],
        maps: vec![MapRow { map: "prefixes", entries: 10, capacity: 100 }],
        credentials: vec![CredentialRow {
            credential: "hubspot-crm".to_owned(),
            age_seconds: Some(1.5),
            last_activity: Some(1e9),
            expiry: None,
        }],
        generation: 7,
        events: vec![("denied", 4)],
        lost: vec![("ring-full", 1), ("budget", 2)],
        sinks: vec![SinkView {
            sink: "siem".to_owned(),
            lag: 12,
            delivered: 88,
            lost: 3,
            failures: 5,
        }],
        revocations_pending: 1,
    }
}

fn text() -> String {
    let metrics = Metrics::new().expect("registers");
    metrics.revocation(&RevocationReport {
        provider: "oauth2",
        outcome: "confirmed",
        duration: Some(Duration::from_millis(20)),
    });
    metrics.text(&snapshot()).expect("encodes")
}

#[test]
fn every_documented_metric_is_there() {
    let text = text();
    for line in [
        "enforcer_packets_total{agent=\"a\",reason=\"rule\",verdict=\"allow\"} 3",
        "enforcer_packets_total{agent=\"a\",reason=\"no-port\",verdict=\"would-deny\"} 3",
        "enforcer_packets_total{agent=\"unassigned\",reason=\"unbound-agent\",verdict=\"deny\"} 3",
        "enforcer_bytes_total{agent=\"a\",verdict=\"would-deny\"} 300",
        "enforcer_connections_total{agent=\"a\",verdict=\"allow\"} 2",
        "enforcer_rate_limited_total{agent=\"a\",kind=\"packets\"} 5",
        "enforcer_violations_total{agent=\"a\",reason=\"no-rule\"} 5",
        "enforcer_quarantined{agent=\"a\"} 1",
        "enforcer_enforcement_verified{agent=\"a\"} 1",
        "enforcer_events_total{kind=\"denied\"} 4",
        "enforcer_events_lost_total{cause=\"ring-full\"} 1",
        "enforcer_revocations_total{outcome=\"confirmed\",provider=\"oauth2\"} 1",
        "enforcer_revocation_duration_seconds_count 1",
        "enforcer_revocations_pending 1",
        "enforcer_credential_age_seconds{credential=\"hubspot-crm\"} 1.5",
        "enforcer_map_entries{map=\"prefixes\"} 10",
        "enforcer_map_capacity{map=\"prefixes\"} 100",
        "enforcer_audit_sink_lag_entries{sink=\"siem\"} 12",
        "enforcer_audit_sink_delivered_total{sink=\"siem\"} 88",
        "enforcer_audit_sink_lost_total{sink=\"siem\"} 3",
        "enforcer_audit_sink_failures_total{sink=\"siem\"} 5",
        "enforcer_policy_generation 7",
        "enforcer_policy_reload_failures_total 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("enforcer_build_info{"));
    assert!(text.contains("process_resident_memory_bytes"));
}

#[test]
fn the_self_check_and_audit_mode_are_no_violations() {
    let text = text();
    let violations: Vec<_> =
        text.lines().filter(|l| l.starts_with("enforcer_violations_total{")).collect();
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(text.contains("reason=\"canary\""));
}

#[test]
fn prometheus_own_linter_has_nothing_to_say() {
    let text = text();
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // Not every developer has Prometheus; the end-to-end test demands it.
    let Ok(mut child) = child else { return };
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}
