//! A small OAuth 2.0 authorization server, in memory, on loopback only. It
//! exists so that the demo needs no Node.js; the tests use the real
//! `oidc-provider` of npm.
//!
//! `POST /token` (RFC 6749, client credentials), `POST /introspect` (RFC 7662),
//! `POST /revoke` (RFC 7009), all with `client_secret_basic`; `GET /calls` is
//! the log of what was asked, one JSON array.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

/// An OAuth 2.0 authorization server for the demo; loopback only.
#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one. The address is printed.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A client and the file that holds its secret in the first line.
    #[arg(long = "client", value_name = "ID:FILE", required = true)]
    clients: Vec<String>,
}

/// Everything it knows.
struct Server {
    secrets: HashMap<String, String>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Living tokens and whose they are.
    tokens: HashMap<String, String>,
    calls: Vec<Call>,
}

/// One line of `GET /calls`. Tokens are not in it.
#[derive(Clone, Serialize)]
struct Call {
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    path: &'static str,
    client: Option<String>,
    status: u16,
    result: &'static str,
}

/// The forms of the three endpoints; unknown members are ignored as the RFCs ask.
#[derive(Deserialize)]
struct TokenForm {
    grant_type: String,
}

#[derive(Deserialize)]
struct OneToken {
    token: String,
}

/// An answer and the word for it in the log.
struct Answer(StatusCode, &'static str, serde_json::Value);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let secrets = args.clients.iter().map(|text| client(text)).collect::<Result<_>>()?;
    let server = Arc::new(Server { secrets, memory: Mutex::default() });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes(server)).await.context("serve")
}

fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke))
        .route("/calls", get(calls))
        .with_state(server)
}

fn client(text: &str) -> Result<(String, String)> {
    let Some((id, file)) = text.split_once(':') else {
        bail!("--client {text}: not ID:FILE");
    };
    let file = PathBuf::from(file);
    let secret = std::fs::read_to_string(&file)
        .with_context(|| format!("read client secret {}", file.display()))?;
    match secret.lines().next() {
        Some(line) if !line.is_empty() => Ok((id.to_owned(), line.to_owned())),
        _ => bail!("client secret {} is empty", file.display()),
    }
}

async fn token(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Form(form): Form<TokenForm>,
) -> Response {
    server.answer("/token", &headers, |memory, client| {
        if form.grant_type != "client_credentials" {
            return error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let token = format!("lab-{}-{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        memory.tokens.insert(token.clone(), client.to_owned());
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
        Answer(StatusCode::OK, "issued", body)
    })
}

async fn introspect(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Form(OneToken { token }): Form<OneToken>,
) -> Response {
    server.answer("/introspect", &headers, |memory, _| match memory.tokens.get(&token) {
        Some(client) => {
            Answer(StatusCode::OK, "active", json!({ "active": true, "client_id": client }))
        }
        None => Answer(StatusCode::OK, "inactive", json!({ "active": false })),
    })
}

async fn revoke(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Form(OneToken { token }): Form<OneToken>,
) -> Response {
    server.answer("/revoke", &headers, |memory, _| {
        // An unknown token is a success as well (RFC 7009, section 2.2).
        let known = memory.tokens.remove(&token).is_some();
        let result = if known { "revoked" } else { "unknown" };
        Answer(StatusCode::OK, result, serde_json::Value::Null)
    })
}

async fn calls(State(server): State<Arc<Server>>) -> Json<Vec<Call>> {
    Json(server.memory.lock().unwrap_or_else(PoisonError::into_inner).calls.clone())
}

// === impl Server ===

impl Server {
    /// Authenticates the client, does the job, notes the call.
    fn answer(
        &self,
        path: &'static str,
        headers: &HeaderMap,
        job: impl FnOnce(&mut Memory, &str) -> Answer,
    ) -> Response {
        let client = self.authenticated(headers);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Answer(status, result, body) = match &client {
            Some(client) => job(&mut memory, client),
            None => error(StatusCode::UNAUTHORIZED, "invalid_client"),
        };
        let time = OffsetDateTime::now_utc();
        memory.calls.push(Call { time, path, client, status: status.as_u16(), result });
        if body.is_null() { status.into_response() } else { (status, Json(body)).into_response() }
    }

    /// `client_secret_basic`: both parts are form-encoded (RFC 6749, 2.3.1).
    fn authenticated(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let pair = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
        let pair = String::from_utf8(pair).ok()?;
        let (id, secret) = pair.split_once(':')?;
        let (id, secret) = (decoded(id), decoded(secret));
        (self.secrets.get(&id) == Some(&secret)).then_some(id)
    }
}

/// One form-encoded value.
fn decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(key, _)| key.into_owned())
        .unwrap_or_default()
}

fn error(status: StatusCode, code: &'static str) -> Answer {
    Answer(status, code, json!({ "error": code }))
}
