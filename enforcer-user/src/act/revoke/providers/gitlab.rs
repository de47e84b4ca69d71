//! GitLab: <https://docs.gitlab.com/api/personal_access_tokens/>. A personal,
//! project or group access token revokes itself, or is revoked by its id: 204;
//! 400 where GitLab did not revoke it. It is dead when GitLab answers it with
//! 401, or says `active: false` of it.

use reqwest::{Client, Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use crate::act::revoke::http::{Answer, secret_header};
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::act::secret::resolve;
use crate::policy::GitLab;

const PATH: &str = "/api/v4/personal_access_tokens";

/// GitLab, and a token there.
pub(in crate::act::revoke) struct AtGitLab<'a> {
    client: &'a Client,
    base: String,
    /// The token's id and who revokes it, if not itself.
    by_id: Option<(u32, SecretString)>,
    token: Option<&'a SecretString>,
}

/// What GitLab tells of a token.
#[derive(Deserialize)]
struct Told {
    active: bool,
}

pub(in crate::act::revoke) fn calls(spec: &GitLab) -> Vec<String> {
    let base = format!("{}{PATH}", spec.endpoint);
    let kill = match &spec.by_id {
        Some((id, _)) => format!("DELETE {base}/{id}"),
        None => format!("DELETE {base}/self with the token"),
    };
    vec![kill, format!("GET {base}/self with the token, until it is refused")]
}

// === impl AtGitLab ===

impl<'a> AtGitLab<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &GitLab,
        token: Option<&'a SecretString>,
    ) -> Result<Self, Outcome> {
        let by_id = match &spec.by_id {
            Some((id, own)) => Some((*id, resolve(own)?)),
            None => None,
        };
        Ok(Self { client, base: format!("{}{PATH}", spec.endpoint), by_id, token })
    }

    /// A token's own view of itself.
    fn itself(&self, method: Method, to: &'static str) -> Result<Call, Outcome> {
        let token = self.token.ok_or_else(|| {
            Outcome::retry("the token cannot be read, so it cannot revoke itself")
        })?;
        let request = self.client.request(method, format!("{}/self", self.base));
        Ok(Call { request: request.header("private-token", secret_header(token)?), to })
    }

    /// Somebody else's view of it.
    fn other(
        &self,
        method: Method,
        (id, own): &(u32, SecretString),
        to: &'static str,
    ) -> Result<Call, Outcome> {
        let request = self.client.request(method, format!("{}/{id}", self.base));
        Ok(Call { request: request.header("private-token", secret_header(own)?), to })
    }

    fn asks_itself(&self) -> bool {
        self.token.is_some() || self.by_id.is_none()
    }
}

impl Provider for AtGitLab<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let to = "GitLab's revocation";
        let call = match &self.by_id {
            Some(by_id) => self.other(Method::DELETE, by_id, to),
            None => self.itself(Method::DELETE, to),
        };
        Ok(vec![call?])
    }

    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        match answer.status {
            StatusCode::NO_CONTENT => Ok(Killed::Taken),
            StatusCode::UNAUTHORIZED if self.by_id.is_none() => Ok(Killed::Unknown),
            StatusCode::NOT_FOUND if self.by_id.is_some() => Ok(Killed::Unknown),
            _ => Err(answer.refused(to)),
        }
    }

    /// The token itself is asked where it can be read: a wrong id would be
    /// unknown, too.
    fn question(&self) -> Result<Call, Outcome> {
        let to = "GitLab, asked for the token,";
        match &self.by_id {
            Some(by_id) if !self.asks_itself() => self.other(Method::GET, by_id, to),
            _ => self.itself(Method::GET, to),
        }
    }

    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        match answer.status {
            StatusCode::OK => match answer.json() {
                Some(Told { active: true }) => Ok(Life::Active),
                Some(Told { active: false }) => Ok(Life::Dead),
                None => Err(answer.unclear(to)),
            },
            StatusCode::UNAUTHORIZED if self.asks_itself() => Ok(Life::Dead),
            StatusCode::NOT_FOUND if !self.asks_itself() => Ok(Life::Dead),
            _ => Err(answer.refused(to)),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        self.token.into_iter().chain(self.by_id.iter().map(|(_, own)| own)).collect()
    }
}
