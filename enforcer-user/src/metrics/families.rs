//! A snapshot as Prometheus metric families.

use enforcer_common::Reason;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, Opts};

use super::snapshot::{CounterRow, Snapshot};

type Families = prometheus::Result<Vec<MetricFamily>>;

/// Every family that a snapshot fills.
pub(super) fn of(snapshot: &Snapshot, counters: &[CounterRow]) -> Families {
    let mut all = flows(counters)?;
    all.extend(caps_and_violations(counters)?);
    all.extend(state(snapshot)?);
    all.extend(credentials(snapshot)?);
    all.extend(events(snapshot)?);
    all.extend(sinks(snapshot)?);
    Ok(all)
}

fn flows(rows: &[CounterRow]) -> Families {
    let packets = counter(
        "enforcer_packets_total",
        "Packets judged at egress, and datagrams refused before they became one.",
        &["agent", "verdict", "reason"],
    )?;
    let bytes =
        counter("enforcer_bytes_total", "Layer 3 bytes judged at egress.", &["agent", "verdict"])?;
    let connections = counter(
        "enforcer_connections_total",
        "TCP and UDP connect calls judged.",
        &["agent", "verdict"],
    )?;
    let sockets = counter(
        "enforcer_sockets_refused_total",
        "Sockets refused as they were made.",
        &["agent", "reason"],
    )?;
    for row in rows.iter().filter(|row| row.sockets > 0) {
        add(&sockets, &[&row.agent, row.reason.as_str()], row.sockets);
    }
    for row in rows {
        let (agent, verdict) = (row.agent.as_str(), row.verdict());
        add(&packets, &[agent, verdict, row.reason.as_str()], row.packets);
        add(&bytes, &[agent, verdict], row.bytes);
        add(&connections, &[agent, verdict], row.connections);
    }
    Ok([packets.collect(), bytes.collect(), connections.collect(), sockets.collect()].concat())
}

/// Enforced refusals only: what audit mode would have refused stands in
/// `enforcer_packets_total` with its own verdict.
fn caps_and_violations(rows: &[CounterRow]) -> Families {
    let limited = counter(
        "enforcer_rate_limited_total",
        "Packets and connections refused because a cap was exhausted.",
        &["agent", "kind"],
    )?;
    let violations = counter(
        "enforcer_violations_total",
        "Refusals that say the agent broke its policy.",
        &["agent", "reason"],
    )?;
    for row in rows.iter().filter(|row| !row.audited) {
        if let Some(kind) = cap_kind(row.reason) {
            add(&limited, &[&row.agent, kind], row.refusals());
        } else if row.reason.is_violation() {
            add(&violations, &[&row.agent, row.reason.as_str()], row.refusals());
        }
    }
    Ok([limited.collect(), violations.collect()].concat())
}

/// The cap's word in a policy's `[limits]`.
fn cap_kind(reason: Reason) -> Option<&'static str> {
    let kinds = [
        (Reason::PacketCap, "packets"),
        (Reason::ByteCap, "bytes"),
        (Reason::ConnectionCap, "connections"),
    ];
    kinds.into_iter().find(|(cap, _)| *cap == reason).map(|(_, kind)| kind)
}

fn state(snapshot: &Snapshot) -> Families {
    let verified = gauge(
        "enforcer_enforcement_verified",
        "1 where the self-check was refused as it must be.",
        &["agent"],
    )?;
    let quarantined = gauge("enforcer_quarantined", "1 where the agent is cut off.", &["agent"])?;
    let entries = gauge("enforcer_map_entries", "Entries in use in a kernel table.", &["map"])?;
    let capacity = gauge("enforcer_map_capacity", "Entries a kernel table can hold.", &["map"])?;
    for (agent, is) in &snapshot.verified {
        set(&verified, &[agent], f64::from(u8::from(*is)));
    }
    for (agent, is) in &snapshot.quarantined {
        set(&quarantined, &[agent], f64::from(u8::from(*is)));
    }
    for row in &snapshot.maps {
        set(&entries, &[row.map], as_f64(row.entries));
        set(&capacity, &[row.map], as_f64(row.capacity));
    }
    let generation = gauge("enforcer_policy_generation", "Policy generation in force.", &[])?;
    set(&generation, &[], f64::from(snapshot.generation));
    let pending = gauge("enforcer_revocations_pending", "Revocations not yet confirmed.", &[])?;
    set(&pending, &[], as_f64(snapshot.revocations_pending));
    let of = [&verified, &quarantined, &entries, &capacity, &generation, &pending];
    Ok(of.iter().flat_map(|g| g.collect()).collect())
}

fn credentials(snapshot: &Snapshot) -> Families {
    let labels = &["credential"];
    let age = gauge("enforcer_credential_age_seconds", "Since the credential was issued.", labels)?;
    let last = gauge(
        "enforcer_credential_last_activity_timestamp_seconds",
        "When traffic that uses the credential was last seen.",
        labels,
    )?;
    let expiry =
        gauge("enforcer_credential_expiry_timestamp_seconds", "When the credential ends.", labels)?;
    for row in &snapshot.credentials {
        let values = [(&age, row.age_seconds), (&last, row.last_activity), (&expiry, row.expiry)];
        for (gauge, value) in values {
            if let Some(value) = value {
                set(gauge, &[&row.credential], value);
            }
        }
    }
    Ok([age.collect(), last.collect(), expiry.collect()].concat())
}

fn events(snapshot: &Snapshot) -> Families {
    let events = counter("enforcer_events_total", "Events published.", &["kind"])?;
    let lost =
        counter("enforcer_events_lost_total", "Events lost on their way, by cause.", &["cause"])?;
    for (kind, count) in &snapshot.events {
        add(&events, &[kind], *count);
    }
    for (cause, count) in &snapshot.lost {
        add(&lost, &[cause], *count);
    }
    Ok([events.collect(), lost.collect()].concat())
}

fn sinks(snapshot: &Snapshot) -> Families {
    let labels = &["sink"];
    let lag = gauge(
        "enforcer_audit_sink_lag_entries",
        "Entries of the audit trail on disk that the sink has not taken yet.",
        labels,
    )?;
    let delivered =
        counter("enforcer_audit_sink_delivered_total", "Entries that the sink took.", labels)?;
    let lost = counter(
        "enforcer_audit_sink_lost_total",
        "Entries that the sink will never get: removed by retention, or refused.",
        labels,
    )?;
    let failures =
        counter("enforcer_audit_sink_failures_total", "Failed attempts to deliver.", labels)?;
    for view in &snapshot.sinks {
        set(&lag, &[&view.sink], as_f64(view.lag));
        add(&delivered, &[&view.sink], view.delivered);
        add(&lost, &[&view.sink], view.lost);
        add(&failures, &[&view.sink], view.failures);
    }
    Ok([lag.collect(), delivered.collect(), lost.collect(), failures.collect()].concat())
}

fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
    GaugeVec::new(Opts::new(name, help), labels)
}

fn add(counter: &IntCounterVec, labels: &[&str], by: u64) {
    counter.with_label_values(labels).inc_by(by);
}

fn set(gauge: &GaugeVec, labels: &[&str], to: f64) {
    gauge.with_label_values(labels).set(to);
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 entries")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
