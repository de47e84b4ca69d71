//! How a credential is killed, as meant. URLs are https, or http to loopback,
//! and end without a slash where paths are added to them.

use std::time::Duration;

use crate::policy::SecretRef;

/// How a credential is killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoker {
    /// RFC 7009, confirmed with RFC 7662.
    OAuth2 {
        /// Revocation endpoint.
        endpoint: String,
        /// Introspection endpoint.
        introspect: String,
        /// Our client id there.
        client_id: String,
        /// How we prove to be that client.
        client_auth: ClientAuth,
    },
    /// HashiCorp Vault or OpenBao.
    Vault(Vault),
    /// AWS IAM.
    AwsIam(AwsIam),
    /// A key of a Google Cloud service account.
    Gcp(Gcp),
    /// A token of GitHub, which is the credential's secret.
    GitHub(GitHub),
    /// An access token of GitLab.
    GitLab(GitLab),
    /// A token of Slack, which is the credential's secret and revokes itself.
    Slack(Slack),
    /// An API key of an `OpenAI` project.
    OpenAi(OpenAi),
    /// An API key of an Anthropic organization.
    Anthropic(Anthropic),
    /// A signed POST.
    Webhook {
        /// Where.
        url: String,
        /// HMAC-SHA256 key for the signature.
        key: SecretRef,
    },
    /// A program, run as the daemon's user, told on stdin.
    Command {
        /// Program (absolute) and arguments.
        argv: Vec<String>,
        /// Killed after this long.
        timeout: Duration,
    },
}

/// How a client proves itself to an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic` (RFC 6749, section 2.3.1).
    Secret(SecretRef),
    /// `private_key_jwt` (RFC 7523, section 2.2).
    PrivateKey {
        /// PEM: RSA (signs RS256) or P-256 (signs ES256).
        key: SecretRef,
        /// `kid` of the assertion's header.
        key_id: Option<String>,
        /// `aud` of the assertion: the server's issuer, or its token endpoint.
        audience: String,
    },
}

/// A Vault or `OpenBao` server, and what is killed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// The server's address, as in `VAULT_ADDR`.
    pub endpoint: String,
    /// `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// The enforcer's own token.
    pub token: SecretRef,
    /// What is killed.
    pub target: VaultTarget,
}

/// What Vault kills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultTarget {
    /// One lease; its id is read when it is needed.
    Lease(SecretRef),
    /// Every lease below a path.
    Prefix(String),
    /// The token of this accessor, which is read when it is needed.
    Accessor(SecretRef),
}

/// AWS IAM, and what is killed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsIam {
    /// IAM's endpoint.
    pub endpoint: String,
    /// Region of the signature.
    pub region: String,
    /// The enforcer's own key.
    pub key: AwsKey,
    /// What is killed.
    pub target: AwsTarget,
}

/// A key that requests to AWS are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKey {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: SecretRef,
    /// Session token, of a temporary key.
    pub session: Option<SecretRef>,
}

/// What AWS IAM kills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsTarget {
    /// A user's access key: made inactive, then deleted.
    Key {
        /// The user.
        user: String,
        /// Access key id.
        key_id: String,
    },
    /// Every session of a role that was issued up to now.
    Role(String),
}

/// A service account's key: disabled, then deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gcp {
    /// Google Cloud IAM's endpoint.
    pub endpoint: String,
    /// Where the enforcer's assertion becomes an access token.
    pub token_endpoint: String,
    /// Email address of the service account whose key is killed.
    pub service_account: String,
    /// Id of the key that is killed.
    pub key_id: String,
    /// The enforcer's own key file (JSON).
    pub credentials: SecretRef,
}

/// A token of GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHub {
    /// The REST API.
    pub endpoint: String,
    /// Client id and secret of the app that the token was issued to. `None`:
    /// whoever has a token may revoke it.
    pub app: Option<(String, SecretRef)>,
}

/// A token of GitLab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitLab {
    /// The instance.
    pub endpoint: String,
    /// The token's id, and a token that may revoke it. `None`: the token
    /// revokes itself.
    pub by_id: Option<(u32, SecretRef)>,
}

/// A token of Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    /// The Web API.
    pub endpoint: String,
}

/// A key of an `OpenAI` project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAi {
    /// The API.
    pub endpoint: String,
    /// Project id.
    pub project: String,
    /// The key's id, not the key.
    pub key_id: String,
    /// The enforcer's admin key.
    pub admin_key: SecretRef,
}

/// A key of an Anthropic organization: made inactive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anthropic {
    /// The API.
    pub endpoint: String,
    /// The key's id, not the key.
    pub key_id: String,
    /// The enforcer's admin key.
    pub admin_key: SecretRef,
}

// === impl Revoker ===

impl Revoker {
    /// The enforcer's own secrets there.
    pub(in crate::policy) fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::OAuth2 { client_auth: ClientAuth::Secret(secret), .. }
            | Self::OAuth2 { client_auth: ClientAuth::PrivateKey { key: secret, .. }, .. }
            | Self::Webhook { key: secret, .. } => vec![secret],
            Self::Vault(Vault { token, target, .. }) => match target {
                VaultTarget::Lease(id) | VaultTarget::Accessor(id) => vec![token, id],
                VaultTarget::Prefix(_) => vec![token],
            },
            Self::AwsIam(AwsIam { key, .. }) => {
                std::iter::once(&key.secret).chain(&key.session).collect()
            }
            Self::Gcp(Gcp { credentials, .. }) => vec![credentials],
            Self::GitHub(GitHub { app, .. }) => app.iter().map(|(_, secret)| secret).collect(),
            Self::GitLab(GitLab { by_id, .. }) => by_id.iter().map(|(_, token)| token).collect(),
            Self::OpenAi(OpenAi { admin_key, .. })
            | Self::Anthropic(Anthropic { admin_key, .. }) => {
                vec![admin_key]
            }
            Self::Slack(_) | Self::Command { .. } => Vec::new(),
        }
    }

    /// The word it is written as; also its label in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OAuth2 { .. } => "oauth2",
            Self::Vault(_) => "vault",
            Self::AwsIam(_) => "aws-iam",
            Self::Gcp(_) => "gcp",
            Self::GitHub(_) => "github",
            Self::GitLab(_) => "gitlab",
            Self::Slack(_) => "slack",
            Self::OpenAi(_) => "openai",
            Self::Anthropic(_) => "anthropic",
            Self::Webhook { .. } => "webhook",
            Self::Command { .. } => "command",
        }
    }

    /// Whether it kills the value that the secret had when that was decided,
    /// and would, once the secret is replaced, kill the new one instead.
    /// A webhook's receiver and a command are told the fingerprint; a path of
    /// Vault and a role of AWS are emptied of all that was issued before.
    pub const fn follows_the_secret(&self) -> bool {
        match self {
            Self::OAuth2 { .. }
            | Self::Gcp(_)
            | Self::GitHub(_)
            | Self::GitLab(_)
            | Self::Slack(_)
            | Self::OpenAi(_)
            | Self::Anthropic(_)
            | Self::Vault(Vault {
                target: VaultTarget::Lease(_) | VaultTarget::Accessor(_), ..
            })
            | Self::AwsIam(AwsIam { target: AwsTarget::Key { .. }, .. }) => true,
            Self::Vault(Vault { target: VaultTarget::Prefix(_), .. })
            | Self::AwsIam(AwsIam { target: AwsTarget::Role(_), .. })
            | Self::Webhook { .. }
            | Self::Command { .. } => false,
        }
    }
}
