//! What the agent's policy grants its processes, and which files hold secrets, read
//! from the files: it holds with the daemon dead.

use std::path::{Path, PathBuf};

use crate::cli::exec::steps::CapabilitySet;
use crate::cli::failure::warn;
use crate::config::{Diagnostics, Settings, toml_files};
use crate::policy::{Credential, Policy, load, load_files};

/// The capabilities that CMD keeps. None where the policies cannot be read:
/// that is said, and CMD starts with less, not with more.
pub(super) fn capabilities(settings: &Settings, agent: &str) -> CapabilitySet {
    match policy(settings, agent) {
        Ok(policy) => kept(policy.as_ref()),
        Err(errors) => {
            let count = errors.iter().count();
            warn(&format!(
                "CMD gets no capability: the policies have errors ({count}); `enforcer check` \
                 shows them"
            ));
            CapabilitySet::default()
        }
    }
}

/// The files of all secrets, whose modes CMD must leave alone: the enforcer refuses
/// to read one that others may read. None where the credentials cannot be read.
pub(super) fn secret_files(settings: &Settings) -> Vec<PathBuf> {
    let Ok(inventory) = load(settings) else {
        warn("CMD can change the modes of secrets' files: policies or credentials have errors");
        return Vec::new();
    };
    let files = inventory.credentials.iter().flat_map(Credential::secret_files);
    files.map(Path::to_owned).collect()
}

fn policy(settings: &Settings, agent: &str) -> Result<Option<Policy>, Diagnostics> {
    let mut errors = Diagnostics::default();
    let files = errors.take(toml_files(&settings.policies)).unwrap_or_default();
    let read = errors.take(load_files(&files, settings)).unwrap_or_default();
    let mut policies = errors.or(read.policies)?.into_iter();
    Ok(policies.find(|policy| policy.agent.as_str() == agent))
}

fn kept(policy: Option<&Policy>) -> CapabilitySet {
    let granted = policy.iter().flat_map(|policy| &policy.process.capabilities);
    CapabilitySet(granted.fold(0, |set, capability| set | capability.bitmask()))
}
