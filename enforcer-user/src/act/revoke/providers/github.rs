//! GitHub: <https://docs.github.com/en/rest>, version 2022-11-28. A token is
//! revoked by the app that it was issued to (`rest/apps/oauth-applications`,
//! "Delete an app token": 204), an installation token by itself
//! (`rest/apps/installations`: 204), any other by whoever has it
//! (`rest/credentials/revoke`: 202, without authentication, 60 an hour). It is
//! dead when GitHub answers it with 401; `/rate_limit` costs nothing.

use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::secret::resolve;
use crate::policy::GitHub;

/// What installation tokens begin with.
const INSTALLATION: &str = "ghs_";
/// What refresh tokens begin with.
const REFRESH: &str = "ghr_";

/// GitHub, and a token there.
pub(in crate::act::revoke) struct AtGitHub<'a> {
    client: &'a Client,
    spec: &'a GitHub,
    /// The app's secret, where it revokes.
    app_secret: Option<SecretString>,
    token: &'a SecretString,
}

pub(in crate::act::revoke) fn calls(spec: &GitHub) -> Vec<String> {
    let base = &spec.endpoint;
    let kill = match &spec.app {
        Some((id, _)) => format!("DELETE {base}/applications/{id}/token as that app"),
        None => format!(
            "POST {base}/credentials/revoke without authentication; with an installation token, \
             DELETE {base}/installation/token"
        ),
    };
    vec![kill, format!("GET {base}/rate_limit with the token, until it is refused")]
}

// === impl AtGitHub ===

impl<'a> AtGitHub<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a GitHub,
        token: &'a SecretString,
    ) -> Result<Self, Outcome> {
        if token.expose_secret().starts_with(REFRESH) {
            return Err(Outcome::fail(
                "GitHub cannot be asked whether a refresh token lives; hint: name the access token",
            ));
        }
        let app_secret = spec.app.as_ref().map(|(_, secret)| resolve(secret)).transpose()?;
        Ok(Self { client, spec, app_secret, token })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.spec.endpoint)
    }

    fn kill(&self) -> RequestBuilder {
        let token = self.token.expose_secret();
        if let (Some((id, _)), Some(secret)) = (&self.spec.app, &self.app_secret) {
            let request = self.client.delete(self.url(&format!("/applications/{id}/token")));
            let request = request.basic_auth(id, Some(secret.expose_secret()));
            return request.json(&json!({ "access_token": token }));
        }
        if token.starts_with(INSTALLATION) {
            return self.client.delete(self.url("/installation/token")).bearer_auth(token);
        }
        let request = self.client.post(self.url("/credentials/revoke"));
        request.json(&json!({ "credentials": [token] }))
    }
}

/// Both headers are recommended for every request.
fn versioned(request: RequestBuilder) -> RequestBuilder {
    request
        .header("accept", "application/vnd.github+json")
        .header("x-github-api-version", "2022-11-28")
}

impl Provider for AtGitHub<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        Ok(vec![Call { request: versioned(self.kill()), to: "GitHub's revocation" }])
    }

    /// An app is told 404 of a token that is dead or was never its own; a dead
    /// installation token cannot authenticate itself.
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        let installation = self.token.expose_secret().starts_with(INSTALLATION);
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::ACCEPTED => Ok(Killed::Taken),
            StatusCode::NOT_FOUND if self.app_secret.is_some() => Ok(Killed::Unknown),
            StatusCode::UNAUTHORIZED if installation && self.app_secret.is_none() => {
                Ok(Killed::Unknown)
            }
            _ => Err(answer.refused(to)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        let token = self.token.expose_secret();
        let request = self.client.get(self.url("/rate_limit")).bearer_auth(token);
        Ok(Call { request: versioned(request), to: "GitHub, asked with the token," })
    }

    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        match answer.status {
            StatusCode::OK => Ok(Life::Active),
            StatusCode::UNAUTHORIZED => Ok(Life::Dead),
            _ => Err(answer.refused(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        std::iter::once(self.token).chain(&self.app_secret).collect()
    }
}
