//! One event as one line for people.

use crate::cli::output::plain;
use crate::cli::when;
use crate::events::{Destination, Event, EventKind, Process};

/// Time, kind and agent in columns; then what is known, most telling first.
pub(crate) fn render(event: &Event) -> String {
    let agent = event.agent.as_deref().map_or("-".to_owned(), plain);
    let head = format!("{}  {:<12}  {agent:<16}", when::instant(event.time), kind(event.kind));
    let parts = [
        flow(event),
        event.reason.as_deref().map(plain),
        event.hook.as_deref().map(|hook| format!("({})", plain(hook))),
        event.process.as_ref().map(process),
        event.rule.as_deref().map(|rule| format!("rule {}", plain(rule))),
        (!event.credentials.is_empty())
            .then(|| format!("credentials {}", plain(&event.credentials.join(",")))),
        event.message.as_deref().map(plain),
        (event.suppressed > 0).then(|| format!("and {} more like it", event.suppressed)),
    ];
    let known: Vec<_> = parts.into_iter().flatten().collect();
    format!("{head}  {}", known.join("  ")).trim_end().to_owned()
}

fn flow(event: &Event) -> Option<String> {
    let destination = event.destination.as_ref()?;
    let proto = event.proto.as_deref().map_or("?".to_owned(), plain);
    Some(format!("{proto} {}", address(destination)))
}

fn address(destination: &Destination) -> String {
    let Destination { ip, port, name } = destination;
    let place = match (ip.is_ipv6(), port) {
        (_, 0) => ip.to_string(),
        (true, port) => format!("[{ip}]:{port}"),
        (false, port) => format!("{ip}:{port}"),
    };
    name.as_deref().map_or(place.clone(), |name| format!("{place} {}", plain(name)))
}

fn process(process: &Process) -> String {
    format!("{}[{}] uid {}", plain(&process.comm), process.pid, process.uid)
}

const fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Denied => "denied",
        EventKind::WouldDeny => "would-deny",
        EventKind::RateLimited => "rate-limited",
        EventKind::Connected => "connected",
        EventKind::Quarantined => "QUARANTINED",
        EventKind::Disconnected => "disconnected",
        EventKind::Adopted => "adopted",
        EventKind::Released => "released",
        EventKind::Tamper => "TAMPER",
        EventKind::Revocation => "revocation",
        EventKind::Policy => "policy",
        EventKind::Lost => "LOST",
        EventKind::Daemon => "daemon",
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn denied() -> Event {
        Event {
            time: datetime!(2026-11-22 10:00:00.123456 UTC),
            seq: 1841,
            kind: EventKind::Denied,
            agent: Some("lead-enricher".into()),
            verdict: Some("deny".into()),
            reason: Some("no-rule".into()),
            hook: Some("connect4".into()),
            proto: Some("tcp".into()),
            destination: Some(Destination { ip: [203, 0, 113, 9].into(), port: 443, name: None }),
            process: Some(Process { pid: 4242, comm: "python3".into(), exe: None, uid: 1001 }),
            rule: None,
            policy_generation: 7,
            credentials: vec!["hubspot-crm".into()],
            suppressed: 17,
            sockets: None,
            message: None,
            ktime_ns: 0,
        }
    }

    fn bare(kind: EventKind, message: &str) -> Event {
        Event {
            kind,
            agent: None,
            reason: None,
            hook: None,
            destination: None,
            process: None,
            credentials: vec![],
            suppressed: 0,
            message: Some(message.into()),
            ..denied()
        }
    }

    #[test]
    fn events_have_a_line_each() {
        let v6 = Destination { ip: "2001:db8::1".parse().expect("ip"), port: 53, name: None };
        let lines = [
            denied(),
            Event { destination: Some(v6), rule: Some("a.toml:9".into()), ..denied() },
            bare(EventKind::Policy, "generation 8 is in force"),
            bare(EventKind::Quarantined, ""),
        ];
        insta::assert_snapshot!(lines.iter().map(render).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_process_name_cannot_forge_a_line() {
        let forged = Process { pid: 1, comm: "x\n2026 ok".into(), exe: None, uid: 0 };
        let line = render(&Event { process: Some(forged), ..denied() });
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}
