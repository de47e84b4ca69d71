use super::fixture::*;
use super::{Finding, Sample};
use crate::events::{Event, EventKind};
use crate::policy::{CredentialId, Hours, Response, Sampled, Step, Trigger};

fn ids(finding: &Finding) -> Vec<&str> {
    finding.credentials.iter().map(CredentialId::as_str).collect()
}

#[test]
fn the_third_denial_is_a_finding_and_the_fourth_is_not() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 3, REVOKE)]);
    let found: Vec<_> = (1..=4).map(|s| correlator.observe(&denied(s)).len()).collect();
    assert_eq!(found, [0, 0, 1, 0]);
}

#[test]
fn a_finding_names_its_evidence_and_its_steps_in_ladder_order() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 2, TRIPWIRE)]);
    correlator.observe(&denied(1));
    correlator.observe(&denied(2));
    let found = correlator.observe(&event(EventKind::Quarantined, "no-rule", 2));
    let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
    assert_eq!(finding.steps, [Step::Alert, Step::Quarantine, Step::Revoke]);
    assert_eq!((finding.evidence.count, finding.ktime_ns), (2, 2 * SECOND));
    assert_eq!(finding.evidence.first, denied(1).time);
    assert_eq!(finding.severity(), Step::Revoke);
}

#[test]
fn the_kernels_rule_fires_on_the_alarm_and_not_on_denials() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 3, TRIPWIRE)]);
    assert!((1..10).all(|s| correlator.observe(&denied(s)).is_empty()));
    assert_eq!(correlator.observe(&event(EventKind::Quarantined, "no-rule", 10)).len(), 1);
}

#[test]
fn the_alarm_counts_even_when_it_overtakes_the_denials() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 3, TRIPWIRE)]);
    let found = correlator.observe(&event(EventKind::Quarantined, "no-rule", 10));
    assert_eq!(found[0].evidence.count, 3);
}

#[test]
fn only_the_first_denied_rule_with_quarantine_is_the_kernels() {
    let rules = vec![
        respond(Trigger::Denied, 2, REVOKE),
        respond(Trigger::Denied, 3, TRIPWIRE),
        respond(Trigger::Denied, 4, TRIPWIRE),
    ];
    let mut correlator = watching(rules);
    let found: Vec<_> = (1..=4).map(|s| correlator.observe(&denied(s)).len()).collect();
    assert_eq!(found, [0, 1, 0, 2]);
}

#[test]
fn a_quarantined_rule_fires_on_the_alarm_beside_the_tripwire() {
    let rules = vec![
        respond(Trigger::Denied, 3, TRIPWIRE),
        respond(Trigger::Quarantined, 1, &[Step::Alert]),
    ];
    let mut correlator = watching(rules);
    let found = correlator.observe(&event(EventKind::Quarantined, "no-rule", 1));
    let triggers: Vec<_> = found.iter().map(|f| f.trigger).collect();
    assert_eq!(triggers, [Trigger::Denied, Trigger::Quarantined]);
}

#[test]
fn a_quarantine_the_daemon_made_triggers_nothing() {
    let mut correlator = watching(vec![respond(Trigger::Quarantined, 1, REVOKE)]);
    let by_daemon = Event { ktime_ns: 0, ..event(EventKind::Quarantined, "operator", 1) };
    assert!(correlator.observe(&by_daemon).is_empty());
}

#[test]
fn shadows_and_denials_that_are_no_violation_do_not_count() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 1, REVOKE)]);
    for reason in ["quarantined", "canary", "internal", "rule", "no such word"] {
        assert!(correlator.observe(&event(EventKind::Denied, reason, 1)).is_empty(), "{reason}");
    }
    assert!(correlator.observe(&event(EventKind::WouldDeny, "no-rule", 1)).is_empty());
}

#[test]
fn caps_are_counted_by_their_own_rule() {
    let mut correlator = watching(vec![respond(Trigger::RateLimited, 2, REVOKE)]);
    let limited = |s| event(EventKind::RateLimited, "packet-cap", s);
    assert!(correlator.observe(&denied(1)).is_empty());
    assert!(correlator.observe(&limited(1)).is_empty());
    assert_eq!(correlator.observe(&limited(2)).len(), 1);
}

#[test]
fn suppressed_events_count() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 100, REVOKE)]);
    let found = correlator.observe(&Event { suppressed: 99, ..denied(1) });
    assert_eq!(found[0].evidence.count, 100);
}

#[test]
fn credentials_are_those_of_the_broken_rule_first() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 1, REVOKE)]);
    correlator.observe(&Event {
        credentials: vec!["key".into()],
        ..event(EventKind::Connected, "rule", 1)
    });
    let broken = Event { credentials: vec!["token".into(), "unknown".into()], ..denied(2) };
    assert_eq!(ids(&correlator.observe(&broken)[0]), ["token"]);
}

#[test]
fn then_those_used_within_the_last_hour() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 1, REVOKE)]);
    let used = |id: &str, s| Event {
        credentials: vec![id.into()],
        ..event(EventKind::Connected, "rule", s)
    };
    correlator.observe(&used("token", 1));
    correlator.observe(&used("key", 10));
    assert_eq!(ids(&correlator.observe(&denied(3605))[0]), ["key"]);
}

#[test]
fn else_all_the_agent_holds_and_no_other_agents() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 1, REVOKE)]);
    assert_eq!(ids(&correlator.observe(&denied(1))[0]), ["key", "token"]);
}

#[test]
fn after_a_release_the_windows_are_empty() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 2, REVOKE)]);
    correlator.observe(&denied(1));
    correlator.release("a1");
    assert!(correlator.observe(&denied(2)).is_empty());
    assert_eq!(correlator.observe(&denied(3)).len(), 1);
}

#[test]
fn a_reload_keeps_the_windows_of_rules_that_stay() {
    let stays = respond(Trigger::Denied, 2, REVOKE);
    let mut correlator = watching(vec![stays.clone()]);
    correlator.observe(&denied(1));
    let new = respond(Trigger::RateLimited, 9, REVOKE);
    correlator.update(&[policy("a1", vec![new, stays])], &[]);
    assert_eq!(correlator.observe(&denied(2)).len(), 1);
}

#[test]
fn a_reload_starts_changed_rules_anew_and_drops_agents_without_a_policy() {
    let mut correlator = watching(vec![respond(Trigger::Denied, 2, REVOKE)]);
    correlator.observe(&denied(1));
    correlator.update(&[policy("a1", vec![respond(Trigger::Denied, 3, REVOKE)])], &[]);
    assert!(correlator.observe(&denied(2)).is_empty());
    correlator.update(&[], &[]);
    assert!((3..9).all(|s| correlator.observe(&denied(s)).is_empty()));
}

fn connected(second: u64, host: u8) -> Event {
    let ip = std::net::IpAddr::from([10, 0, 0, host]);
    let destination = Some(crate::events::Destination { ip, port: 443, name: None });
    Event { destination, ..event(EventKind::Connected, "rule", second) }
}

/// Seconds at which there was a finding.
fn found(correlator: &mut super::Correlator, events: impl IntoIterator<Item = Event>) -> Vec<u64> {
    let broken = events.into_iter().filter(|event| !correlator.observe(event).is_empty());
    broken.map(|event| event.seq).collect()
}

#[test]
fn a_rate_of_allowed_connections_is_counted_by_its_own_rule() {
    let mut correlator = watching(vec![respond(Trigger::Connected, 3, REVOKE)]);
    let mut all: Vec<_> = (1..=3).map(|s| connected(s, 1)).collect();
    all.insert(0, denied(1));
    assert_eq!(found(&mut correlator, all), [3]);
}

#[test]
fn fan_out_counts_each_address_once() {
    let mut correlator = watching(vec![respond(Trigger::Destinations, 3, REVOKE)]);
    let hosts = [1, 1, 2, 1, 2, 3, 3];
    let events = hosts.into_iter().zip(1..).map(|(host, s)| connected(s, host));
    assert_eq!(found(&mut correlator, events), [6]);
}

#[test]
fn a_first_destination_counts_once_it_was_learnt_long_enough_which_are_usual() {
    let learn = std::time::Duration::from_secs(100);
    let rule = Response { learn, ..respond(Trigger::NewDestination, 1, REVOKE) };
    let mut correlator = watching(vec![rule.clone()]);
    let events = [(1, 1), (50, 2), (101, 1), (102, 3), (103, 3), (104, 2)];
    let events = events.map(|(second, host)| connected(second, host));
    assert_eq!(found(&mut correlator, events), [102]);
    // The next daemon knows them.
    let memory = serde_json::to_string(&correlator.memory()).expect("written");
    let mut next = super::Correlator::default();
    next.remember(serde_json::from_str(&memory).expect("read"));
    assert_eq!(serde_json::to_string(&next.memory()).expect("written"), memory, "not lost yet");
    next.update(&[policy("a1", vec![rule])], &[]);
    assert_eq!(found(&mut next, [connected(200, 3), connected(201, 4)]), [201]);
}

#[test]
fn a_cap_that_is_hit_without_a_rest_is_told_after_its_time() {
    let mut correlator = watching(vec![respond(Trigger::Throttled, 1, REVOKE)]);
    let limited = |s| event(EventKind::RateLimited, "packet-cap", s);
    // Nine seconds, a rest, then ten.
    let seconds = (1..=10).chain(20..=31);
    assert_eq!(found(&mut correlator, seconds.map(limited)), [30]);
}

#[test]
fn only_what_happens_at_its_time_of_the_day_counts() {
    let hours = Hours { from: time::macros::time!(20:00), to: time::macros::time!(6:00) };
    let rule = Response { between: Some(hours), ..respond(Trigger::Denied, 1, TRIPWIRE) };
    let mut correlator = watching(vec![rule]);
    let hour = 3600;
    let times = [0, 6 * hour - 1, 6 * hour, 12 * hour, 20 * hour, 23 * hour];
    let events = times.map(denied);
    assert_eq!(found(&mut correlator, events), [0, 6 * hour - 1, 20 * hour, 23 * hour]);
}

fn sample(second: u64, bytes: u64) -> Sample {
    let time = denied(second).time;
    Sample { ktime_ns: second * SECOND, time, bytes, packets: bytes / 1000, connections: 1 }
}

#[test]
fn bytes_are_summed_over_the_rules_time() {
    let mut correlator = watching(vec![respond(Trigger::Bytes, 1000, REVOKE)]);
    assert_eq!(correlator.sampled(), [agent("a1")]);
    let told: Vec<_> = [(1, 500), (2, 0), (3, 499), (20, 600), (21, 400), (22, 100)]
        .map(|(second, bytes)| correlator.sample(&agent("a1"), &sample(second, bytes)).len())
        .into();
    assert_eq!(told, [0, 0, 0, 0, 1, 0]);
}

#[test]
fn a_spike_is_told_once_and_says_what_is_usual() {
    let spike = Trigger::Spike(Sampled::Bytes);
    let twice = vec![respond(spike, 8, REVOKE), respond(spike, 1000, REVOKE)];
    let mut correlator = watching(twice);
    let a1 = agent("a1");
    for second in 1..=400 {
        assert!(correlator.sample(&a1, &sample(second, 100_000)).is_empty(), "{second}");
    }
    let found: Vec<_> =
        (401..=405).flat_map(|s| correlator.sample(&a1, &sample(s, 900_000))).collect();
    let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
    assert_eq!(finding.evidence.usual, Some(1_000_000));
    assert_eq!(ids(finding), ["key", "token"]);
    let said = "sent 1800000 bytes in 10s, where 1000000 are usual (spike)";
    assert_eq!(finding.summary(), said);
}

/// False positives: an hour and a half of real traffic, in bursts with rest
/// between them, at the default score. Then somebody takes something along.
#[test]
fn recorded_traffic_is_no_spike_and_a_theft_amid_it_is_one() {
    let recorded = include_str!("recorded.txt").lines().filter(|line| !line.starts_with('#'));
    let recorded: Vec<(u64, u64)> = recorded
        .map(|line| {
            let (second, bytes) = line.split_once(' ').expect("two numbers");
            (second.parse().expect("a number"), bytes.parse().expect("a number"))
        })
        .collect();
    let spike = Trigger::Spike(Sampled::Bytes);
    let mut correlator = watching(vec![respond(spike, 8, REVOKE)]);
    let a1 = agent("a1");
    let mut told = Vec::new();
    for &(second, bytes) in &recorded {
        told.extend(correlator.sample(&a1, &sample(second, bytes)));
    }
    assert_eq!(told, []);
    let end = recorded.last().expect("not empty").0;
    let theft = correlator.sample(&a1, &sample(end + 60, 1_000_000));
    assert_eq!(theft.len(), 1, "a megabyte, where kilobytes are usual");
}
