//! From a credential to its revoker.

use reqwest::Client;
use secrecy::SecretString;

use super::outcome::Outcome;
use super::provider::{Provider, kill};
use super::providers::anthropic::{self, AtAnthropic};
use super::providers::aws_key::{self, AwsKeyAt};
use super::providers::aws_role::{self, AwsRoleAt};
use super::providers::gcp::{self, AtGcp};
use super::providers::github::{self, AtGitHub};
use super::providers::gitlab::{self, AtGitLab};
use super::providers::oauth2::{self, OAuth2};
use super::providers::openai::{self, AtOpenAi};
use super::providers::slack::{self, AtSlack};
use super::providers::vault::{self, AtVault};
use super::redact::clean;
use super::{command, webhook};
use crate::act::outbox::Row;
use crate::act::secret::resolve;
use crate::policy::{AwsTarget, Credential, Revoker, SecretRef};

/// One attempt to be made.
pub struct Job<'a> {
    /// What was decided.
    pub row: &'a Row,
    /// What is to be killed, as the inventory has it now.
    pub credential: &'a Credential,
    /// Its secret, where it could be read.
    pub secret: Option<&'a SecretString>,
    /// An earlier attempt may have got through.
    pub asked_before: bool,
}

/// The word for a revoker in metrics and tables.
pub fn provider(revoker: Option<&Revoker>) -> &'static str {
    revoker.map_or("none", Revoker::as_str)
}

/// What [`attempt`] would call, one line each, for a dry run.
pub fn calls(revoker: &Revoker) -> Vec<String> {
    match revoker {
        Revoker::OAuth2 { endpoint, introspect, client_id, .. } => {
            oauth2::calls(endpoint, introspect, client_id)
        }
        Revoker::Vault(spec) => vault::calls(spec),
        Revoker::AwsIam(spec) => match &spec.target {
            AwsTarget::Key { user, key_id } => aws_key::calls(spec, user, key_id),
            AwsTarget::Role(role) => aws_role::calls(spec, role),
        },
        Revoker::Gcp(spec) => gcp::calls(spec),
        Revoker::GitHub(spec) => github::calls(spec),
        Revoker::GitLab(spec) => gitlab::calls(spec),
        Revoker::Slack(spec) => slack::calls(spec),
        Revoker::OpenAi(spec) => openai::calls(spec),
        Revoker::Anthropic(spec) => anthropic::calls(spec),
        Revoker::Webhook { url, .. } => vec![format!("POST {url}, signed, without the secret")],
        Revoker::Command { argv, timeout } => {
            vec![format!("run {} (at most {timeout:?})", argv.join(" "))]
        }
    }
}

/// Makes the attempt. Never panics, never takes longer than its time-outs, and
/// what it returns holds no secret.
pub async fn attempt(client: &Client, job: Job<'_>) -> Outcome {
    let Some(revoker) = &job.credential.revoke else {
        return Outcome::retry("the credential has no [credential.revoke] any more");
    };
    let outcome = match revoker {
        Revoker::OAuth2 { endpoint, introspect, client_id, client_auth } => {
            let ends = (endpoint.as_str(), introspect.as_str());
            let server = job
                .token()
                .and_then(|token| OAuth2::new(client, ends, client_id, client_auth, token));
            job.kill(server).await
        }
        Revoker::Vault(spec) => job.kill(AtVault::new(client, spec)).await,
        Revoker::AwsIam(spec) => match &spec.target {
            AwsTarget::Key { user, key_id } => {
                job.kill(AwsKeyAt::new(client, spec, user, key_id)).await
            }
            AwsTarget::Role(role) => {
                job.kill(AwsRoleAt::new(client, spec, role, job.row.created)).await
            }
        },
        Revoker::Gcp(spec) => job.kill(AtGcp::new(client, spec).await).await,
        Revoker::GitHub(spec) => {
            let token = job.token();
            job.kill(token.and_then(|token| AtGitHub::new(client, spec, token))).await
        }
        Revoker::GitLab(spec) => job.kill(AtGitLab::new(client, spec, job.secret)).await,
        Revoker::Slack(spec) => {
            job.kill(job.token().map(|token| AtSlack::new(client, spec, token))).await
        }
        Revoker::OpenAi(spec) => job.kill(AtOpenAi::new(client, spec, job.secret)).await,
        Revoker::Anthropic(spec) => job.kill(AtAnthropic::new(client, spec)).await,
        Revoker::Webhook { url, key } => told(client, url, key, &job).await,
        Revoker::Command { argv, timeout } => command::kill(argv, *timeout, job.row).await,
    };
    outcome.map_error(|error| clean(error, &job.secret.into_iter().collect::<Vec<_>>()))
}

async fn told(client: &Client, url: &str, key: &SecretRef, job: &Job<'_>) -> Outcome {
    match resolve(key) {
        Ok(key) => {
            let outcome = webhook::kill(client, url, &key, job.row).await;
            let secrets: Vec<_> = job.secret.into_iter().chain([&key]).collect();
            outcome.map_error(|error| clean(error, &secrets))
        }
        Err(error) => error.into(),
    }
}

// === impl Job ===

impl<'a> Job<'a> {
    /// The secret, where nothing can be done without it.
    fn token(&self) -> Result<&'a SecretString, Outcome> {
        self.secret
            .ok_or_else(|| Outcome::retry("the token cannot be read, so it cannot be revoked"))
    }

    async fn kill<P: Provider>(&self, provider: Result<P, Outcome>) -> Outcome {
        match provider {
            Ok(provider) => {
                let outcome = kill(&provider, self.asked_before, self.row.accepted).await;
                // All at once: cutting what one of them is in could leave half of it.
                let secrets: Vec<_> = provider.secrets().into_iter().chain(self.secret).collect();
                outcome.map_error(|error| clean(error, &secrets))
            }
            Err(outcome) => outcome,
        }
    }
}
