//! Policies and credentials as meant: parsed, validated, impossible to
//! misread. What was written is private to this module.

mod name;
mod types;
mod response;
mod credential;
mod address;
mod ports;
mod rate;
mod rule;
mod when;
mod respond;
mod process;
mod cgroups;
mod agent;
mod secret;
mod revoker;
mod inventory;
mod cross;
mod load;
#[cfg(test)]
mod tests;

pub use caps::Capability;
pub use credential::{Credential, CredentialKind, SecretRef};
pub use load::{Inventory, load, load_files, parse};
pub use name::{AgentName, CredentialId};
pub use response::{Hours, Response, Sampled, Step, Trigger};
pub use revoker::{
    Anthropic, AwsIam, AwsKey, AwsTarget, ClientAuth, Gcp, GitHub, GitLab, OpenAi, Revoker, Slack,
    Vault, VaultTarget,
};
pub use types::{
    Limits, Location, Mode, Policy, Ports, ProcessGrants, Rate, Rule, Transport, UnixName,
};
