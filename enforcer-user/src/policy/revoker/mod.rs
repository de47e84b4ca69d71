//! `[credential.revoke]`: how a credential is killed.

mod types;
mod fields;
mod oauth2;
mod receivers;
mod vault;
mod aws;
mod gcp;
mod tokens;
mod keys;

pub use types::{
    Anthropic, AwsIam, AwsKey, AwsTarget, ClientAuth, Gcp, GitHub, GitLab, OpenAi, Revoker, Slack,
    Vault, VaultTarget,
};

use crate::config::reader::Table;
use crate::config::words::{Problem, one_of};

const PROVIDERS: &[&str] = &[
    "oauth2",
    "vault",
    "aws-iam",
    "gcp",
    "github",
    "gitlab",
    "slack",
    "openai",
    "anthropic",
    "webhook",
    "command",
];

/// Reads the revoker.
pub(super) fn revoker(table: &Table<'_>) -> Option<Revoker> {
    let known = PROVIDERS.join(", ");
    let via = table.need("via", &format!("one of {known}"))?;
    match via.string()? {
        "oauth2" => oauth2::read(table),
        "vault" => vault::read(table),
        "aws-iam" => aws::read(table),
        "gcp" => gcp::read(table),
        "github" => tokens::github(table),
        "gitlab" => tokens::gitlab(table),
        "slack" => tokens::slack(table),
        "openai" => keys::openai(table),
        "anthropic" => keys::anthropic(table),
        "webhook" => receivers::webhook(table),
        "command" => receivers::command(table),
        "aws-secrets" => {
            let problem = Problem::new("a secret in AWS Secrets Manager is no credential to kill");
            via.error(problem.hint("use `aws-iam` for the key that it holds"));
            None
        }
        other => {
            via.error(one_of("provider", other, PROVIDERS));
            None
        }
    }
}
