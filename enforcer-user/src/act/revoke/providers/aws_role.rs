//! Sessions of a role: an inline policy denies everything to those whose
//! credentials were issued before a moment
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>;
//! it has the name that AWS's console gives it). Confirmed when `GetRolePolicy`
//! shows it. Reversible: who deletes the policy lets the sessions live again.

use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::aws::{Iam, is_response, refusal};
use super::xml;
use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::provider::{Call, Killed, Life, Provider};
use crate::policy::AwsIam;

const POLICY: &str = "AWSRevokeOlderSessions";

/// IAM, and a role there.
pub(in crate::act::revoke) struct AwsRoleAt<'a> {
    iam: Iam<'a>,
    role: &'a str,
    /// Sessions issued up to this moment are to be dead.
    decided: OffsetDateTime,
}

pub(in crate::act::revoke) fn calls(spec: &AwsIam, role: &str) -> Vec<String> {
    let base = &spec.endpoint;
    vec![
        format!("POST {base}/ PutRolePolicy {POLICY} of {role}: deny sessions issued before now"),
        format!("POST {base}/ GetRolePolicy {POLICY} of {role}, until it says so"),
    ]
}

// === impl AwsRoleAt ===

impl<'a> AwsRoleAt<'a> {
    pub(in crate::act::revoke) fn new(
        client: &'a Client,
        spec: &'a AwsIam,
        role: &'a str,
        decided: OffsetDateTime,
    ) -> Result<Self, Outcome> {
        Ok(Self { iam: Iam::new(client, spec)?, role, decided })
    }

    fn name(&self) -> [(&str, &str); 2] {
        [("RoleName", self.role), ("PolicyName", POLICY)]
    }
}

/// The moment is that of the attempt: a later attempt for an earlier decision
/// must not take back what was denied since.
fn document(before: OffsetDateTime) -> Result<String, Outcome> {
    let before = before.format(&Rfc3339).map_err(|error| Outcome::fail(error.to_string()))?;
    let condition = json!({ "DateLessThan": { "aws:TokenIssueTime": before } });
    let statement =
        json!({ "Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition });
    Ok(json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string())
}

/// Until when a policy document denies everything to older sessions. `None`
/// where it does not.
fn denied_before(document: &str) -> Option<OffsetDateTime> {
    let document: Value = serde_json::from_str(document).ok()?;
    let statement = &document["Statement"][0];
    let everything = |value: &Value| *value == json!(["*"]) || *value == json!("*");
    let denies = statement["Effect"] == "Deny"
        && everything(&statement["Action"])
        && everything(&statement["Resource"]);
    let condition = statement["Condition"].as_object().filter(|c| denies && c.len() == 1)?;
    let before = condition.get("DateLessThan")?.get("aws:TokenIssueTime")?.as_str()?;
    OffsetDateTime::parse(before, &Rfc3339).ok()
}

impl Provider for AwsRoleAt<'_> {
    fn kills(&self) -> Result<Vec<Call>, Outcome> {
        let document = document(OffsetDateTime::now_utc())?;
        let parameters = [&self.name()[..], &[("PolicyDocument", &document)]].concat();
        let request = self.iam.action("PutRolePolicy", &parameters)?;
        Ok(vec![Call { request, to: "AWS's PutRolePolicy" }])
    }

    /// A role that does not exist is refused: a misspelled one's sessions live.
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome> {
        match answer.status.is_success() {
            true if is_response(answer, "PutRolePolicy") => Ok(Killed::Taken),
            true => Err(answer.unclear(to)),
            false => Err(refusal(to, answer)),
        }
    }

    fn question(&self) -> Result<Call, Outcome> {
        let request = self.iam.action("GetRolePolicy", &self.name())?;
        Ok(Call { request, to: "AWS's GetRolePolicy" })
    }

    /// The document comes percent-encoded (RFC 3986).
    fn life(&self, to: &'static str, answer: &Answer, _: bool) -> Result<Life, Outcome> {
        if !answer.status.is_success() {
            return Err(refusal(to, answer));
        }
        let body = answer.body.as_deref().filter(|_| is_response(answer, "GetRolePolicy"));
        let encoded = body.and_then(|body| xml::text_of(body, "PolicyDocument"));
        let encoded = encoded.ok_or_else(|| answer.unclear(to))?;
        let decoded = percent_decoded(&encoded);
        match denied_before(&decoded).is_some_and(|before| before >= self.decided) {
            true => Ok(Life::Dead),
            false => Ok(Life::Active),
        }
    }

    fn secrets(&self) -> Vec<&SecretString> {
        self.iam.secrets()
    }
}

/// A `+` stands for itself here, as it does not in a form.
fn percent_decoded(text: &str) -> String {
    let form = text.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs.next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_denies_less_is_no_death() {
        let now = OffsetDateTime::now_utc();
        let whole = document(now).expect("a document");
        assert_eq!(denied_before(&whole), Some(now));
        for (from, to) in [
            ("\"Deny\"", "\"Allow\""),
            ("\"Action\":[\"*\"]", "\"Action\":[\"s3:*\"]"),
            ("\"Resource\":[\"*\"]", "\"Resource\":[\"arn:aws:s3:::x\"]"),
            ("DateLessThan", "DateGreaterThan"),
            ("{\"DateLessThan\"", "{\"Bool\":{},\"DateLessThan\""),
        ] {
            assert!(whole.contains(from), "{from} is not in {whole}");
            assert_eq!(denied_before(&whole.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn what_iam_encodes_is_decoded() {
        assert_eq!(percent_decoded("%7B%22a%22%3A%22x+y%26z%3D%22%7D"), "{\"a\":\"x+y&z=\"}");
    }
}
