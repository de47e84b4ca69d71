//! `when = { event = "…", … }` of a `[[respond]]`: each event has its own keys.

use std::time::Duration;

use time::Time;
use time::macros::format_description;

use crate::config::reader::Table;
use crate::config::words::{Problem, duration, quoted, word};
use crate::policy::rate::bytes;
use crate::policy::{Hours, Sampled, Trigger};

/// How long the past is learnt from before anything is compared with it.
const LEARN: Duration = Duration::from_secs(86_400);

/// How many times its usual deviation something is off before it is a spike.
const SCORE: u32 = 8;

/// Distinct addresses are kept one by one.
const MAX_DESTINATIONS: i64 = 16_384;

const EVENTS: &[(&str, Trigger)] = &[
    ("denied", Trigger::Denied),
    ("rate-limited", Trigger::RateLimited),
    ("throttled", Trigger::Throttled),
    ("quarantined", Trigger::Quarantined),
    ("tamper", Trigger::Tamper),
    ("connected", Trigger::Connected),
    ("destinations", Trigger::Destinations),
    ("new-destination", Trigger::NewDestination),
    ("bytes", Trigger::Bytes),
    ("spike", Trigger::Spike(Sampled::Bytes)),
];

const SAMPLED: &[(&str, Sampled)] = &[
    (Sampled::Bytes.as_str(), Sampled::Bytes),
    (Sampled::Packets.as_str(), Sampled::Packets),
    (Sampled::Connections.as_str(), Sampled::Connections),
];

/// Words that a later version knows.
const LATER: &[&str] = &["dns-denied"];

/// What was asked for.
pub(super) struct When {
    pub(super) event: Trigger,
    pub(super) count: u64,
    pub(super) within: Duration,
    pub(super) learn: Duration,
    pub(super) between: Option<Hours>,
}

/// Reads the condition.
pub(super) fn when(table: &Table<'_>) -> Option<When> {
    let event = table.need("event", "such as \"denied\"").and_then(|v| v.parse(event));
    let between = table.get("between").map(|value| value.parse(hours));
    let when = match event {
        Some(Trigger::Bytes) => amount(table),
        Some(Trigger::Spike(_)) => spike(table),
        Some(Trigger::Throttled) => lasting(table),
        event => counted(table, event),
    };
    Some(When { between: between.map_or(Some(None), |read| read.map(Some))?, ..when? })
}

fn counted(table: &Table<'_>, event: Option<Trigger>) -> Option<When> {
    let learns = event == Some(Trigger::NewDestination);
    let keys: &[&str] = if learns { &["learn"] } else { &[] };
    table.only(&[&["event", "count", "within", "between"], keys].concat());
    let count = table.need("count", "how many events, at least 1");
    let count = count.and_then(|value| match event {
        Some(Trigger::Destinations) => value.integer(1..=MAX_DESTINATIONS),
        _ => value.count(1).map(i64::from),
    });
    let within = within(table);
    let learn = if learns { learn(table) } else { Some(Duration::ZERO) };
    let count = u64::try_from(count?).ok()?;
    Some(When { event: event?, count, within: within?, learn: learn?, between: None })
}

fn amount(table: &Table<'_>) -> Option<When> {
    table.only(&["event", "over", "within", "between"]);
    let over = table.need("over", "how many bytes, such as \"500MB\"").and_then(|v| v.parse(bytes));
    let (count, within) = (over, within(table));
    let (event, learn) = (Trigger::Bytes, Duration::ZERO);
    Some(When { event, count: count?, within: within?, learn, between: None })
}

fn lasting(table: &Table<'_>) -> Option<When> {
    table.only(&["event", "lasting", "between"]);
    let lasting = table.need("lasting", "how long, such as \"30s\"");
    let within = lasting.and_then(|value| value.parse(duration))?;
    let (event, learn) = (Trigger::Throttled, Duration::ZERO);
    Some(When { event, count: 1, within, learn, between: None })
}

fn spike(table: &Table<'_>) -> Option<When> {
    table.only(&["event", "of", "score", "within", "learn", "between"]);
    let of = table.need("of", "`bytes`, `packets` or `connections`");
    let of = of.and_then(|value| value.parse(|text| word("measure", text, SAMPLED)));
    let score = table.get("score").map_or(Some(SCORE), |value| value.count(2));
    let (within, learn) = (within(table), learn(table));
    let event = Trigger::Spike(of?);
    Some(When { event, count: score?.into(), within: within?, learn: learn?, between: None })
}

fn within(table: &Table<'_>) -> Option<Duration> {
    table.need("within", "such as \"10s\"")?.parse(duration)
}

fn learn(table: &Table<'_>) -> Option<Duration> {
    table.get("learn").map_or(Some(LEARN), |value| value.parse(duration))
}

fn event(text: &str) -> Result<Trigger, Problem> {
    if LATER.contains(&text) {
        let words: Vec<_> = EVENTS.iter().map(|(word, _)| *word).collect();
        return Err(Problem::new(format!("event `{text}` is not supported by this version"))
            .hint(format!("known: {}", words.join(", "))));
    }
    word("event", text, EVENTS)
}

fn hours(text: &str) -> Result<Hours, Problem> {
    let clock = format_description!("[hour]:[minute]");
    let read = |text: &str| Time::parse(text, &clock).ok();
    let ends = text.split_once('-').and_then(|(from, to)| Some((read(from)?, read(to)?)));
    let bad = || Problem::new(format!("{} is no part of the day", quoted(text)));
    let (from, to) =
        ends.ok_or_else(|| bad().hint("write two times of the day, UTC: `20:00-06:00`"))?;
    if from == to {
        return Err(bad().hint("it is empty: leave `between` out for the whole day"));
    }
    Ok(Hours { from, to })
}
