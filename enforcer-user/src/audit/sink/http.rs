//! HTTP: JSON lines by POST. Delivered is what was answered with 2xx.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, redirect};
use secrecy::ExposeSecret;

use super::target::{Line, Trouble};
use crate::act::revoke::innermost;
use crate::act::secret;
use crate::policy::SecretRef;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A receiver.
#[derive(Debug)]
pub(super) struct Http {
    url: String,
    token: Option<PathBuf>,
    ca: Option<PathBuf>,
    client: Option<Client>,
}

// === impl Http ===

impl Http {
    pub(super) fn new(url: String, token: Option<PathBuf>, ca: Option<PathBuf>) -> Self {
        Self { url, token, ca, client: None }
    }

    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.connect().map_err(Trouble::Later)?,
        };
        let body: String = lines.iter().flat_map(|line| [&line.text, "\n"]).collect();
        let mut request = client.post(&self.url).header(CONTENT_TYPE, "application/x-ndjson");
        if let Some(token) = &self.token {
            let token = secret::resolve(&SecretRef::File(token.clone()));
            let token = token.map_err(|error| Trouble::Later(error.to_string()))?;
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| Trouble::Later(innermost(&error)))?;
        self.client = Some(client);
        let status = answer.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            400 | 413 | 422 => Err(Trouble::Refused(format!("answered {status}"))),
            _ => Err(Trouble::Later(format!("answered {status}"))),
        }
    }

    /// Made anew after each error of the connection: authorities may have changed.
    fn connect(&self) -> Result<Client, String> {
        // An error means that a provider is installed already, which will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("enforcer/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &self.ca {
            let unread = |error: String| format!("read {}: {error}", ca.display());
            let pem = std::fs::read(ca).map_err(|error| unread(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem);
            let certificates = certificates.map_err(|error| unread(error.to_string()))?;
            builder = builder.tls_certs_only(certificates);
        }
        builder.build().map_err(|error| innermost(&error))
    }
}
