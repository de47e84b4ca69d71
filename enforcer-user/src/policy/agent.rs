//! A policy file.

use crate::config::Settings;
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{Document, Table};
use crate::config::source::{Source, Spot};
use crate::config::words::word;
use crate::policy::cgroups::{self, Pattern};
use crate::policy::process::process;
use crate::policy::rate::limits;
use crate::policy::respond::responses;
use crate::policy::rule::rules;
use crate::policy::{AgentName, Location, Mode, Policy};

const KEYS: &[&str] =
    &["version", "agent", "mode", "cgroups", "allow", "deny", "limits", "respond", "process"];

const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("audit", Mode::Audit)];

/// A policy, and where the things stand that other files can contradict.
pub(super) struct WrittenPolicy {
    pub(super) policy: Policy,
    pub(super) agent: Spot,
    pub(super) cgroups: Vec<(Pattern, Spot)>,
    /// Rules by index, and where they name their credential.
    pub(super) credentials: Vec<(usize, Spot)>,
}

/// Reads one policy file; `None` where it has errors.
pub(super) fn read(
    source: &Source,
    settings: &Settings,
    errors: &mut Diagnostics,
) -> Option<WrittenPolicy> {
    let document = Document::parse(source);
    let read = policy(&document.table(), settings);
    let found = document.into_errors();
    let clean = found.is_empty();
    errors.extend(found);
    read.filter(|_| clean)
}

fn policy(table: &Table<'_>, settings: &Settings) -> Option<WrittenPolicy> {
    table.version();
    table.only(KEYS);
    let name = table.need("agent", "name the agent: `agent = \"coding-agent\"`");
    let agent = name.and_then(|value| value.parse(AgentName::parse));
    let mode = table.get("mode").and_then(|v| v.parse(|text| word("mode", text, MODES)));
    let written = table.get("cgroups");
    let rules = rules(table);
    let limits = table.get("limits").and_then(|v| v.table()).map(|table| limits(&table));
    let responses = responses(table);
    let process = process(table);
    let patterns = match (written, &agent, name) {
        (Some(list), ..) => cgroups::written(list, &settings.root),
        (None, Some(agent), Some(name)) => cgroups::default(agent, &settings.root, name.spot()),
        (None, ..) => Vec::new(),
    };
    let name = name?;
    let spot = name.spot();
    let location = Location { file: spot.file.clone(), line: spot.line };
    let credentials = rules.iter().enumerate();
    let credentials = credentials.filter_map(|(at, r)| Some((at, r.credential.clone()?))).collect();
    let policy = Policy {
        agent: agent?,
        mode: mode.unwrap_or(Mode::Enforce),
        cgroups: patterns.iter().map(|(pattern, _)| pattern.text().to_owned()).collect(),
        rules: rules.into_iter().map(|written| written.rule).collect(),
        limits: limits.unwrap_or_default(),
        responses,
        process,
        location,
    };
    Some(WrittenPolicy { policy, agent: spot, cgroups: patterns, credentials })
}
