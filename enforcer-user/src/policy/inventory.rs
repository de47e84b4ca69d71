//! A file of the credential inventory.

use std::time::Duration;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};
use toml::value::{Datetime, Offset};

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{Document, Table};
use crate::config::source::{Source, Spot};
use crate::config::value::Value;
use crate::config::words::{Problem, duration, word};
use crate::policy::revoker::revoker;
use crate::policy::secret::secret;
use crate::policy::{AgentName, Credential, CredentialId, CredentialKind, Location};

/// `rotate_every` where a credential says nothing.
const ROTATE_EVERY: Duration = Duration::from_secs(90 * 86_400);

const KEYS: &[&str] = &[
    "id",
    "agent",
    "agents",
    "shared",
    "kind",
    "scopes",
    "issued",
    "rotate_every",
    "expires",
    "secret",
    "revoke",
];

const KINDS: &[(&str, CredentialKind)] = &[
    ("oauth2", CredentialKind::OAuth2),
    ("api-key", CredentialKind::ApiKey),
    ("lease", CredentialKind::Lease),
    ("service-account", CredentialKind::ServiceAccount),
];

/// A credential, and where the things stand that other files can contradict.
pub(super) struct WrittenCredential {
    pub(super) credential: Credential,
    pub(super) id: Spot,
    pub(super) agents: Vec<Spot>,
}

/// Reads one file of credentials; those with errors are left out.
pub(super) fn read(source: &Source, errors: &mut Diagnostics) -> Vec<WrittenCredential> {
    let document = Document::parse_guarded(source);
    let table = document.table();
    table.version();
    table.only(&["version", "credential"]);
    let list = table.need("credential", "start each one with `[[credential]]`");
    let tables = list.map(|value| value.tables()).unwrap_or_default();
    let read = tables.iter().filter_map(credential).collect();
    errors.extend(document.into_errors());
    read
}

fn credential(table: &Table<'_>) -> Option<WrittenCredential> {
    table.only(KEYS);
    let id_value = table.need("id", "name it: `id = \"hubspot-crm\"`");
    let id = id_value.and_then(|value| value.parse(CredentialId::parse));
    let agents = agents(table);
    let kind = table.need("kind", "one of oauth2, api-key, lease, service-account");
    let kind = kind.and_then(|v| v.parse(|text| word("kind", text, KINDS)));
    let scopes = table.get("scopes").and_then(|v| v.list_of(|text| Ok(text.to_owned())));
    let issued = table.get("issued").and_then(date);
    let expires = table.get("expires").and_then(|value| moment(value, issued));
    let rotate_every = table.get("rotate_every").and_then(|value| value.parse(duration));
    let secret = secret(table, "secret");
    let written = table.get("revoke");
    let revoke = written.and_then(|value| value.table()).and_then(|table| revoker(&table));
    let (agents, spots) = agents?.into_iter().unzip();
    let spot = id_value?.spot();
    let credential = Credential {
        id: id?,
        agents,
        kind: kind?,
        scopes: scopes.unwrap_or_default(),
        issued,
        rotate_every: rotate_every.unwrap_or(ROTATE_EVERY),
        expires,
        secret: secret?,
        revoke,
        location: Location { file: spot.file.clone(), line: spot.line },
    };
    Some(WrittenCredential { credential, id: spot, agents: spots })
}

/// `agent = "x"`, or `agents = ["x", "y"]` with `shared = true`.
fn agents(table: &Table<'_>) -> Option<Vec<(AgentName, Spot)>> {
    let shared = table.get("shared").and_then(|v| v.boolean()).unwrap_or(false);
    let named = |value: &Value<'_>| Some((value.parse(AgentName::parse)?, value.spot()));
    let list = match (table.get("agent"), table.get("agents")) {
        (Some(_), Some(both)) => {
            let problem = Problem::new("`agent` and `agents` are both given");
            both.error(problem.hint("keep one of them"));
            return None;
        }
        (None, Some(list)) => list,
        (one, None) => {
            let hint = "name the agent that holds it: `agent = \"coding-agent\"`";
            let one = one.or_else(|| table.need("agent", hint))?;
            return Some(vec![named(&one)?]);
        }
    };
    let items = list.list()?;
    if items.len() > 1 && !shared {
        let message = format!("{} agents share this credential", items.len());
        let hint = "give each its own, or say `shared = true`: revoking it stops all of them";
        list.error(Problem::new(message).hint(hint));
        return None;
    }
    items.iter().map(named).collect()
}

fn date(value: Value<'_>) -> Option<Date> {
    let example = "2026-10-01";
    let written = value.datetime(example)?;
    let day = written.date.filter(|_| written.time.is_none()).and_then(calendar_date);
    if day.is_none() {
        let problem = Problem::new(format!("{written} is not a day"));
        value.error(problem.hint(format!("write {example}, without quotes")));
    }
    day
}

fn calendar_date(date: toml::value::Date) -> Option<Date> {
    let month = Month::try_from(date.month).ok()?;
    Date::from_calendar_date(date.year.into(), month, date.day).ok()
}

fn moment(value: Value<'_>, issued: Option<Date>) -> Option<OffsetDateTime> {
    let example = "2026-12-31T00:00:00Z";
    let written = value.datetime(example)?;
    let Some(moment) = offset_date_time(written) else {
        let problem = Problem::new(format!("{written} is not a moment in time"));
        value.error(problem.hint(format!("write {example}, with offset and without quotes")));
        return None;
    };
    if issued.is_some_and(|day| moment.date() < day) {
        let problem = Problem::new("the credential expires before it was issued");
        value.error(problem.hint("correct `issued` or `expires`"));
        return None;
    }
    Some(moment)
}

fn offset_date_time(written: &Datetime) -> Option<OffsetDateTime> {
    let clock = written.time?;
    let second = clock.second.unwrap_or(0);
    let nanosecond = clock.nanosecond.unwrap_or(0);
    let time = Time::from_hms_nano(clock.hour, clock.minute, second, nanosecond).ok()?;
    let offset = match written.offset? {
        Offset::Z => UtcOffset::UTC,
        Offset::Custom { minutes } => {
            UtcOffset::from_whole_seconds(i32::from(minutes) * 60).ok()?
        }
    };
    Some(OffsetDateTime::new_in_offset(calendar_date(written.date?)?, time, offset))
}
