//! From folders of files to the inventory.

use std::path::{Path, PathBuf};

use crate::config::diagnostic::Diagnostics;
use crate::config::source::Source;
use crate::config::{Settings, toml_files};
use crate::policy::agent::{self, WrittenPolicy};
use crate::policy::inventory::{self, WrittenCredential};
use crate::policy::{Credential, Policy, cross};

/// Every policy and every credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// By agent.
    pub policies: Vec<Policy>,
    /// By id.
    pub credentials: Vec<Credential>,
}

/// Reads the configured folders.
///
/// # Errors
/// Every error of every file, and every contradiction between them.
pub fn load(settings: &Settings) -> Result<Inventory, Diagnostics> {
    let mut errors = Diagnostics::default();
    let policies = errors.take(toml_files(&settings.policies)).unwrap_or_default();
    let credentials = errors.take(toml_files(&settings.credentials)).unwrap_or_default();
    let policies = sources(&policies, &mut errors);
    let credentials = sources(&credentials, &mut errors);
    let (policies, credentials) = read(&policies, &credentials, settings, &mut errors);
    // A file that could not be read would be missed by those that name it.
    if errors.is_empty() {
        cross::holders(&policies, &credentials, &mut errors);
    }
    errors.or(inventory(policies, credentials))
}

/// Reads these policy files alone; the credentials they name are not looked up.
///
/// # Errors
/// Every error of every file, and every contradiction between them.
pub fn load_files(files: &[PathBuf], settings: &Settings) -> Result<Inventory, Diagnostics> {
    let mut errors = Diagnostics::default();
    let sources = sources(files, &mut errors);
    let (policies, credentials) = read(&sources, &[], settings, &mut errors);
    errors.or(inventory(policies, credentials))
}

/// Reads a policy and a credential file that are already in memory.
///
/// # Errors
/// As [`load`].
pub fn parse(
    policy: &str,
    credentials: Option<&str>,
    settings: &Settings,
) -> Result<Inventory, Diagnostics> {
    let mut errors = Diagnostics::default();
    let policy = Source::new(Path::new("policy.toml"), policy.to_owned());
    let text = credentials.map(str::to_owned);
    let held = text.map(|text| Source::new(Path::new("credentials.toml"), text));
    let held: Vec<_> = held.into_iter().collect();
    let (policies, credentials) = read(&[policy], &held, settings, &mut errors);
    if errors.is_empty() && !held.is_empty() {
        cross::holders(&policies, &credentials, &mut errors);
    }
    errors.or(inventory(policies, credentials))
}

fn sources(files: &[PathBuf], errors: &mut Diagnostics) -> Vec<Source> {
    files.iter().filter_map(|file| errors.take(Source::read(file))).collect()
}

fn read(
    policies: &[Source],
    credentials: &[Source],
    settings: &Settings,
    errors: &mut Diagnostics,
) -> (Vec<WrittenPolicy>, Vec<WrittenCredential>) {
    let policies: Vec<_> =
        policies.iter().filter_map(|source| agent::read(source, settings, errors)).collect();
    let credentials: Vec<_> =
        credentials.iter().flat_map(|source| inventory::read(source, errors)).collect();
    cross::policies(&policies, errors);
    cross::credentials(&credentials, errors);
    (policies, credentials)
}

fn inventory(policies: Vec<WrittenPolicy>, credentials: Vec<WrittenCredential>) -> Inventory {
    let mut policies: Vec<_> = policies.into_iter().map(|written| written.policy).collect();
    let mut credentials: Vec<_> = credentials.into_iter().map(|held| held.credential).collect();
    policies.sort_by(|a, b| a.agent.cmp(&b.agent));
    credentials.sort_by(|a, b| a.id.cmp(&b.id));
    Inventory { policies, credentials }
}
