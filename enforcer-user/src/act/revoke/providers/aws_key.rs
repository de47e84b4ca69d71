//! A user's access key: made inactive (`UpdateAccessKey`), then deleted
//! (`DeleteAccessKey`); dead when `ListAccessKeys` does not list it any more or
//! as inactive. IAM is eventually consistent: other regions may take the key
//! for some seconds more.

use reqwest::Client;
use secrecy::SecretString;

use super::aws::{Iam, code, is_response, refusal};
use super::xml;
use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::policy::AwsIam;

/// IAM, and a key there.
pub(in crate::act::revoke) struct AwsKeyAt<'a> {
    iam: Iam<'a>,
    user: &'a str,
    key_id: &'a str,
}

pub(in crate::act::revoke) fn calls(spec: &AwsIam, user: &str, key_id: &str) -> Vec<String> {
    let base = &spec.endpoint;
    vec![
        format!("POST {base}/ UpdateAccessKey {key_id} of {user}: Inactive"),
        format!("POST {base}/ DeleteAccessKey {key_id} of {user}"),
        format!("POST {base}/ ListAccessKeys of {user}, until it is not listed"),
    ]
}

// === impl AwsKeyAt ===

impl<'a> AwsKeyAt<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a AwsIam,
        user: &'a str,
        key_id: &'a str,
    ) -> Result<Self, Outcome> {
        Ok(Self { iam: Iam::new(client, spec)?, user, key_id })
    }

    /// Status of the key in a list: members begin with `UserName`, their order
    /// of the rest is not promised.
    fn listed(&self, answer: &Answer) -> Option<Option<String>> {
        let elements = xml::elements(answer.body.as_deref()?)?;
        let truncated = elements.iter().any(|(name, text)| name == "IsTruncated" && text == "true");
        let members = elements.split(|(name, _)| name == "UserName");
        let ours =
            |m: &&[xml::Element]| m.iter().any(|(n, t)| n == "AccessKeyId" && t == self.key_id);
        let ours = members.into_iter().find(ours);
        let status = ours.and_then(|member| member.iter().find(|(name, _)| name == "Status"));
        if truncated && ours.is_none() {
            return None;
        }
        ours.map_or(Some(None), |_| status.map(|(_, status)| Some(status.clone())))
    }
}

impl Provider for AwsKeyAt<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let key = [("UserName", self.user), ("AccessKeyId", self.key_id)];
        let inactive = [&key[..], &[("Status", "Inactive")]].concat();
        Ok(vec![
            Call {
                request: self.iam.action("UpdateAccessKey", &inactive)?,
                to: "AWS's UpdateAccessKey",
            },
            Call {
                request: self.iam.action("DeleteAccessKey", &key)?,
                to: "AWS's DeleteAccessKey",
            },
        ])
    }

    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        let whole = ["UpdateAccessKey", "DeleteAccessKey"].iter().any(|a| is_response(answer, a));
        match answer.status.is_success() {
            true if whole => Ok(Killed::Taken),
            true => Err(answer.unclear(to)),
            false if code(answer).as_deref() == Some("NoSuchEntity") => Ok(Killed::Unknown),
            false => Err(refusal(to, answer)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        let request = self.iam.action("ListAccessKeys", &[("UserName", self.user)])?;
        Ok(Call { request, to: "AWS's ListAccessKeys" })
    }

    /// A user that does not exist is refused here (`NoSuchEntity`): the key of
    /// a misspelled one lives on.
    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        if !answer.status.is_success() {
            return Err(refusal(to, answer));
        }
        let status = is_response(answer, "ListAccessKeys").then(|| self.listed(answer)).flatten();
        match status.ok_or_else(|| answer.unclear(to))?.as_deref() {
            None => Ok(Life::Dead),
            Some("Inactive") => Ok(Life::Disabled),
            Some(_) => Ok(Life::Active),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        self.iam.secrets()
    }
}
