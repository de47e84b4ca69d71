//! AWS IAM's query API, version 2010-05-08: a form, signed with Signature
//! Version 4, answered in XML
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/>).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};

use crate::act::revoke::http::Answer;
use crate::act::revoke::outcome::Outcome;
use crate::act::revoke::providers::xml;
use crate::act::revoke::redact::quote;
use crate::act::secret::resolve;
use crate::policy::{AwsIam, AwsKey};

const VERSION: &str = "2010-05-08";
const FORM: &str = "application/x-www-form-urlencoded";
/// Refusals that another attempt may get past, whatever their status
/// (`…/CommonErrors.html`).
const LATER: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ServiceFailure",
    "InternalFailure",
    "RequestExpired",
];

/// AWS IAM, and who we are there.
pub(super) struct Iam<'a> {
    client: &'a Client,
    endpoint: &'a str,
    region: &'a str,
    key: OwnKey<'a>,
}

/// The enforcer's own key, read.
struct OwnKey<'a> {
    id: &'a str,
    secret: SecretString,
    session: Option<SecretString>,
}

// === impl Iam, OwnKey ===

impl<'a> Iam<'a> {
    pub(super) fn new(client: &'a Client, spec: &'a AwsIam) -> Result<Self, Outcome> {
        let AwsIam { endpoint, region, key, .. } = spec;
        Ok(Self { client, endpoint, region, key: OwnKey::resolved(key)? })
    }

    /// A signed request for an action.
    pub(super) fn action(
        &self,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<RequestBuilder, Outcome> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", VERSION);
        // As AWS's own clients write it; moto verifies what they would have sent.
        let body = form.extend_pairs(parameters).finish().replace('*', "%2A");
        let url = format!("{}/", self.endpoint);
        let mut request = self.client.post(&url).header("content-type", FORM);
        for (name, value) in self.signature(&url, &body)? {
            request = request.header(name, value);
        }
        Ok(request.body(body))
    }

    pub(super) fn secrets(&self) -> Vec<&SecretString> {
        std::iter::once(&self.key.secret).chain(&self.key.session).collect()
    }

    /// The headers that sign the request.
    fn signature(&self, url: &str, body: &str) -> Result<Vec<(String, String)>, Outcome> {
        let failed = |error: String| Outcome::fail(format!("sign the request to AWS: {error}"));
        let identity = self.key.credentials().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("iam")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.to_string()))?
            .into();
        let headers = [("content-type", FORM)].into_iter();
        let body = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", url, headers, body);
        let request = request.map_err(|error| failed(error.to_string()))?;
        let signed = sign(request, &parameters).map_err(|error| failed(error.to_string()))?;
        let (instructions, _) = signed.into_parts();
        let headers = instructions.headers();
        Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl<'a> OwnKey<'a> {
    fn resolved(AwsKey { id, secret, session }: &'a AwsKey) -> Result<Self, Outcome> {
        let session = session.as_ref().map(resolve).transpose()?;
        Ok(Self { id, secret: resolve(secret)?, session })
    }

    fn credentials(&self) -> Credentials {
        let session = self.session.as_ref().map(|token| token.expose_secret().to_owned());
        Credentials::new(self.id, self.secret.expose_secret(), session, None, "enforcer")
    }
}

/// Code of an error body: `<ErrorResponse><Error><Code>…`.
pub(super) fn code(answer: &Answer) -> Option<String> {
    xml::text_of(answer.body.as_deref()?, "Code")
}

/// What a refusal means: throttling has status 400, too.
pub(super) fn refusal(to: &str, answer: &Answer) -> Outcome {
    let code = code(answer);
    let message = answer.body.as_deref().and_then(|body| xml::text_of(body, "Message"));
    let detail = [code.clone(), message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    if code.is_some_and(|code| LATER.contains(&code.as_str())) {
        let (after, error) = (answer.retry_after, format!("{to} answered: {}", quote(&detail)));
        return Outcome::Retry { after, error, accepted: false };
    }
    answer.refusal(to, (!detail.is_empty()).then_some(detail))
}

/// Whether an answer is whole and of this action.
pub(super) fn is_response(answer: &Answer, action: &str) -> bool {
    let root = answer.body.as_deref().and_then(xml::root);
    answer.status.is_success() && root.is_some_and(|root| root == format!("{action}Response"))
}
