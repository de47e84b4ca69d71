//! The one HTTP client, and what its answers mean.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::outcome::Outcome;
use super::redact::quote;

/// Longest time to connect, name look-up and TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time for a whole exchange.
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// A provider may not put us off for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("make the HTTP client: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// A client that goes straight to where it was sent: no redirects, no proxies
/// of the environment, bounded in time. Shared, so that connections are reused.
pub fn client() -> Result<Client, ClientError> {
    // An error means that a provider is installed already, which will do.
    drop(rustls::crypto::ring::default_provider().install_default());
    // A host without any trusted authority (a minimal container) still revokes
    // at loopback; https there fails with an error of its own and is retried.
    let client = builder().build().or_else(|error| {
        tracing::warn!("no trusted certificate authorities, so no https: {}", cause(&error));
        builder().tls_certs_only([]).build()
    });
    Ok(client?)
}

fn builder() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .user_agent(concat!("enforcer/", env!("CARGO_PKG_VERSION")))
}

/// An answer, read to the end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// `None` where the body was longer than [`MAX_BODY`].
    pub(super) body: Option<Vec<u8>>,
}

/// Sends it. Whatever keeps an answer from being whole is a reason to retry.
pub(super) async fn send(request: RequestBuilder, to: &str) -> Result<Answer, Outcome> {
    let failed = |error: reqwest::Error| Outcome::retry(format!("{to}: {}", cause(&error)));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let retry_after = retry_after(response.headers(), OffsetDateTime::now_utc());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Ok(Answer { status, retry_after, body: None });
        }
    }
    Ok(Answer { status, retry_after, body: Some(body) })
}

/// A header's value that is kept out of debug output.
pub(super) fn secret_header(secret: &SecretString) -> Result<HeaderValue, Outcome> {
    let value = HeaderValue::from_str(secret.expose_secret());
    let mut value = value.map_err(|_| Outcome::fail("a secret holds what no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

// === impl Answer ===

impl Answer {
    /// What a status means that is not the one hoped for. `detail` is the
    /// provider's own explanation, if it gave one.
    pub(super) fn refusal(&self, to: &str, detail: Option<String>) -> Outcome {
        if self.status.is_success() {
            return self.unclear(to);
        }
        let detail = detail.map(|text| format!(": {}", quote(&text))).unwrap_or_default();
        let error = format!("{to} answered {}{detail}", self.status.as_u16());
        match self.status.as_u16() {
            300..=399 => Outcome::fail(format!("{error}; redirects are not followed")),
            // A conflict is with something that goes on at the same time (RFC
            // 9110, section 15.5.10).
            408 | 409 | 425 | 429 | 500..=599 => {
                Outcome::Retry { after: self.retry_after, error, accepted: false }
            }
            _ => Outcome::fail(error),
        }
    }

    /// A success whose body does not say what it must: half an answer, or that
    /// of somebody in between.
    pub(super) fn unclear(&self, to: &str) -> Outcome {
        let status = self.status.as_u16();
        Outcome::retry(format!("{to} answered {status} with something that is none of its answers"))
    }

    /// [`Answer::refusal`] with whatever explanation the body has.
    pub(super) fn refused(&self, to: &str) -> Outcome {
        self.refusal(to, self.json().as_ref().and_then(explanation))
    }

    /// The body as JSON of this shape.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.as_deref()?).ok()
    }
}

/// The explanation in the usual shapes: `message` (GitHub, GitLab), `errors`
/// (Vault), `error` as text or with a `message` (`OpenAI`, Anthropic, Google).
fn explanation(body: &Value) -> Option<String> {
    let first = body.get("errors").and_then(|errors| errors.get(0));
    let error = body.get("error");
    let nested = error.and_then(|error| error.get("message"));
    let text = [nested, body.get("message"), first, error].into_iter().flatten();
    text.filter_map(Value::as_str).next().map(str::to_owned)
}

/// Seconds or an HTTP date (RFC 9110, section 10.2.3), at most an hour.
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = OffsetDateTime::parse(value, &Rfc2822).ok()?;
            Duration::try_from(until - now).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn cause(error: &reqwest::Error) -> String {
    quote(&innermost(error))
}

/// The innermost cause: reqwest's own message repeats the URL, not the reason.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: &str) -> Option<u64> {
        let headers = [(RETRY_AFTER, value.parse().expect("a header"))].into_iter().collect();
        let now = OffsetDateTime::from_unix_timestamp(784_111_777).expect("a time");
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_over_an_hour() {
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(after("99999999"), Some(3600));
        assert_eq!(after("-5"), None);
        assert_eq!(after("soon"), None);
    }
}
