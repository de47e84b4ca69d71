//! `enforcer doctor`: what this host can enforce, what it cannot, and what
//! each missing piece costs.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::failure::{Code, Failure};
use crate::cli::output::OutputArgs;
use crate::cli::settings;
use crate::config::Settings;

mod host;
mod cgroups;
mod programs;
mod layers;
mod exec;
mod report;

/// One thing that enforcement stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    /// What was looked at.
    name: String,
    /// How it is.
    state: State,
    /// What was found.
    found: String,
    /// What is lost; `None` where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// How a [`Check`] came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// There.
    Ok,
    /// Enforcement works, something else does not.
    Degraded,
    /// Enforcement is impossible.
    Missing,
}

/// The answer to `-o json`.
#[derive(Serialize)]
struct Report<'a> {
    can_enforce: bool,
    checks: &'a [Check],
}

// === impl Check ===

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), cost: None, remedy: None }
    }

    fn missing(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { state: State::Missing, ..Self::ok(name, found) }
    }

    fn degraded(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { state: State::Degraded, ..Self::ok(name, found) }
    }

    fn cost(self, cost: impl Into<String>) -> Self {
        Self { cost: Some(cost.into()), ..self }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// Settings only say where the pins are to be; where they are no good, the
/// defaults do for the rest.
pub(crate) fn run(config: Option<&Path>, output: OutputArgs) -> Result<ExitCode, Failure> {
    let (settings, said) = settings_of(config);
    let host = host::checks(&settings.bpf_dir).chain(cgroups::checks()).chain(programs::checks());
    let checks = said.into_iter().chain(host).chain(layers::checks()).chain(exec::checks());
    let checks: Vec<_> = checks.collect();
    let can_enforce = checks.iter().all(|check| check.state != State::Missing);
    let report = Report { can_enforce, checks: &checks };
    output.print(&report, |width| report::render(&checks, can_enforce, width))?;
    Ok(if can_enforce { ExitCode::SUCCESS } else { ExitCode::from(Code::CannotEnforce as u8) })
}

/// A file that nobody named need not be there yet.
fn settings_of(config: Option<&Path>) -> (Settings, Option<Check>) {
    let path = settings::path(config);
    if config.is_none() && !path.exists() {
        return (Settings::default(), None);
    }
    match Settings::load(path) {
        Ok(settings) => (settings, None),
        Err(errors) => {
            let all = errors.to_string();
            let first = all.lines().next().unwrap_or_default().to_owned();
            let check = Check::missing("settings", first)
                .cost("the daemon does not start with them")
                .remedy("`enforcer check` shows every error with its line");
            (Settings::default(), Some(check))
        }
    }
}
