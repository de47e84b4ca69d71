//! `[[respond]]`.

use enforcer_common::TRIPWIRE_MAX;

use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, duration, word};
use crate::policy::{Location, Response, Step, Trigger};

const TRIGGERS: &[(&str, Trigger)] = &[
    ("denied", Trigger::Denied),
    ("rate-limited", Trigger::RateLimited),
    ("quarantined", Trigger::Quarantined),
    ("tamper", Trigger::Tamper),
];

const STEPS: &[(&str, Step)] =
    &[("alert", Step::Alert), ("quarantine", Step::Quarantine), ("revoke", Step::Revoke)];

/// Words of the ladder that a later version knows.
const LATER_STEPS: &[&str] = &["disable", "rotate"];
const LATER_EVENTS: &[&str] = &["dns-denied"];

/// Reads every response of a policy.
pub(super) fn responses(table: &Table<'_>) -> Vec<Response> {
    let tables = table.get("respond").map(|value| value.tables()).unwrap_or_default();
    let mut read = Vec::new();
    for table in tables {
        let tripwire_taken = read.iter().any(is_tripwire);
        read.extend(response(&table, tripwire_taken));
    }
    read
}

fn is_tripwire(response: &Response) -> bool {
    response.event == Trigger::Denied && response.actions.contains(&Step::Quarantine)
}

fn response(table: &Table<'_>, tripwire_taken: bool) -> Option<Response> {
    table.only(&["when", "do"]);
    let when = table.need("when", "such as { event = \"denied\", count = 3, within = \"10s\" }");
    let actions = table.need("do", "such as [\"quarantine\", \"revoke\", \"alert\"]");
    let actions = actions.and_then(|value| value.list_of(step));
    let when = when?.table()?;
    when.only(&["event", "count", "within"]);
    let event = when.need("event", "such as \"denied\"").and_then(|v| v.parse(trigger));
    let count_value = when.need("count", "how many events, at least 1");
    let count = count_value.and_then(|value| value.count(1));
    let within = when.need("within", "such as \"10s\"").and_then(|v| v.parse(duration));
    let location =
        Location { file: table.source().path().clone(), line: table.source().line(table.offset()) };
    let mut actions = actions?;
    actions.sort_unstable();
    actions.dedup();
    let response = Response { event: event?, count: count?, within: within?, actions, location };
    if is_tripwire(&response) && !tripwire_taken {
        check_tripwire(&response, count_value?)?;
    }
    Some(response)
}

/// The kernel's ring of violation times has a fixed size.
fn check_tripwire(response: &Response, count: Value<'_>) -> Option<()> {
    if response.count as usize <= TRIPWIRE_MAX {
        return Some(());
    }
    let message =
        format!("the kernel's tripwire counts to {TRIPWIRE_MAX}, not to {}", response.count);
    count.error(Problem::new(message).hint(format!(
        "quarantine at {TRIPWIRE_MAX} or fewer, with a shorter `within` if that is too early"
    )));
    None
}

fn trigger(text: &str) -> Result<Trigger, Problem> {
    if LATER_EVENTS.contains(&text) {
        return Err(Problem::new(format!("event `{text}` is not supported by this version"))
            .hint("known: denied, rate-limited, quarantined, tamper"));
    }
    word("event", text, TRIGGERS)
}

fn step(text: &str) -> Result<Step, Problem> {
    if LATER_STEPS.contains(&text) {
        return Err(Problem::new(format!("step `{text}` is not supported by this version"))
            .hint("known: alert, quarantine, revoke"));
    }
    word("step", text, STEPS)
}
