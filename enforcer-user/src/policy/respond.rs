//! `[[respond]]`.

use enforcer_common::TRIPWIRE_MAX;

use crate::config::reader::Table;
use crate::config::value::Value;
use crate::config::words::{Problem, word};
use crate::policy::when::{self, When};
use crate::policy::{Location, Response, Step};

const STEPS: &[(&str, Step)] =
    &[("alert", Step::Alert), ("quarantine", Step::Quarantine), ("revoke", Step::Revoke)];

/// Words of the ladder that a later version knows.
const LATER_STEPS: &[&str] = &["disable", "rotate"];

/// Reads every response of a policy.
pub(super) fn responses(table: &Table<'_>) -> Vec<Response> {
    let tables = table.get("respond").map(|value| value.tables()).unwrap_or_default();
    let mut read = Vec::new();
    for table in tables {
        let tripwire_taken = read.iter().any(Response::fits_the_kernel);
        read.extend(response(&table, tripwire_taken));
    }
    read
}

fn response(table: &Table<'_>, tripwire_taken: bool) -> Option<Response> {
    table.only(&["when", "do"]);
    let when = table.need("when", "such as { event = \"denied\", count = 3, within = \"10s\" }");
    let actions = table.need("do", "such as [\"quarantine\", \"revoke\", \"alert\"]");
    let actions = actions.and_then(|value| value.list_of(step));
    let table_of_when = when?.table()?;
    let when = when::when(&table_of_when);
    let location =
        Location { file: table.source().path().clone(), line: table.source().line(table.offset()) };
    let mut actions = actions?;
    actions.sort_unstable();
    actions.dedup();
    let When { event, count, within, learn, between } = when?;
    let response = Response { event, count, within, learn, between, actions, location };
    if response.fits_the_kernel() && !tripwire_taken {
        check_tripwire(&response, table_of_when.get("count")?)?;
    }
    Some(response)
}

/// The kernel's ring of violation times has a fixed size.
fn check_tripwire(response: &Response, count: Value<'_>) -> Option<()> {
    if response.count <= TRIPWIRE_MAX as u64 {
        return Some(());
    }
    let message =
        format!("the kernel's tripwire counts to {TRIPWIRE_MAX}, not to {}", response.count);
    count.error(Problem::new(message).hint(format!(
        "quarantine at {TRIPWIRE_MAX} or fewer, with a shorter `within` if that is too early"
    )));
    None
}

fn step(text: &str) -> Result<Step, Problem> {
    if LATER_STEPS.contains(&text) {
        return Err(Problem::new(format!("step `{text}` is not supported by this version"))
            .hint("known: alert, quarantine, revoke"));
    }
    word("step", text, STEPS)
}
