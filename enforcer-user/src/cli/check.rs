//! `enforcer check`: parse, validate, compile; every error at once.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::compile::{Plan, compile};
use crate::config::{DEFAULT_CONFIG, Diagnostics, Settings};
use crate::policy::{Inventory, load, load_files};

/// Everything is valid and fits.
pub const VALID: u8 = 0;
/// Something is not (INTERFACE: exit codes).
pub const INVALID: u8 = 2;

/// What to check and how to say it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--config`; without it the default file.
    pub config: Option<PathBuf>,
    /// Policy files; empty means the configured folders.
    pub policies: Vec<PathBuf>,
    /// `-o json`.
    pub json: bool,
    /// Colour is wanted, and the output is a terminal.
    pub colour: bool,
}

/// Checks and prints; the exit code is [`VALID`] or [`INVALID`]. Results go to
/// `out`, errors for people to `err`.
///
/// # Errors
/// `out` or `err` cannot be written.
pub fn run(options: &Options, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    match (check(options), options.json) {
        (Ok((inventory, plan)), false) => {
            writeln!(out, "{}", summary(&inventory, &plan))?;
            if !options.policies.is_empty() {
                writeln!(err, "not looked up: credentials that a rule names, other agents' files")?;
            }
            Ok(VALID)
        }
        (Ok((inventory, plan)), true) => {
            let report = json!({ "valid": true, "numbers": numbers(&inventory, &plan) });
            writeln!(out, "{report}").map(|()| VALID)
        }
        (Err(errors), false) => {
            let count = errors.len();
            let noun = if count == 1 { "error" } else { "errors" };
            writeln!(err, "{}\n\n{count} {noun}", errors.render(options.colour)).map(|()| INVALID)
        }
        (Err(errors), true) => {
            let report = json!({ "valid": false, "errors": errors.to_json() });
            writeln!(out, "{report}").map(|()| INVALID)
        }
    }
}

fn check(options: &Options) -> Result<(Inventory, Plan), Diagnostics> {
    let settings = settings(options)?;
    let inventory = if options.policies.is_empty() {
        load(&settings)?
    } else {
        load_files(&options.policies, &settings)?
    };
    let plan = compile(&inventory, &settings)?;
    Ok((inventory, plan))
}

/// Policy files can be checked on a machine without a configuration.
fn settings(options: &Options) -> Result<Settings, Diagnostics> {
    let default = Path::new(DEFAULT_CONFIG);
    match &options.config {
        Some(path) => Settings::load(path),
        None if !options.policies.is_empty() && !default.exists() => Ok(Settings::default()),
        None => Settings::load(default),
    }
}

fn numbers(inventory: &Inventory, plan: &Plan) -> serde_json::Value {
    json!({
        "agents": plan.agents.len(),
        "rules": inventory.policies.iter().map(|policy| policy.rules.len()).sum::<usize>(),
        "prefixes": plan.agents.iter().map(|agent| agent.prefixes.len()).sum::<usize>(),
        "credentials": inventory.credentials.len(),
    })
}

fn summary(inventory: &Inventory, plan: &Plan) -> String {
    let numbers = numbers(inventory, plan);
    let part = |key: &str| format!("{key} {}", numbers[key]);
    format!("valid: {}", ["agents", "rules", "prefixes", "credentials"].map(part).join(", "))
}
