//! The HTTP side: `/metrics`, `/healthz`, `/readyz`.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use serde_json::json;
use tokio::net::TcpListener;

/// What is shown; reading it may take system calls.
pub trait Exposed: Send + Sync + 'static {
    /// The text of a scrape, or why there is none.
    ///
    /// # Errors
    /// The metrics cannot be read, as one sentence.
    fn metrics(&self) -> Result<String, String>;
    /// Whether the daemon's loops make progress.
    fn alive(&self) -> bool;
    /// What is in the way of being ready; empty when ready.
    fn not_ready(&self) -> Vec<String>;
}

/// Serves until the listener fails.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, exposed: Arc<dyn Exposed>) -> io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(exposed);
    axum::serve(listener, app).await
}

type Shared = State<Arc<dyn Exposed>>;

async fn metrics(State(exposed): Shared) -> Response {
    // Reading per-CPU maps is a system call an entry: off the async threads.
    match tokio::task::spawn_blocking(move || exposed.metrics()).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
    }
}

async fn healthz(State(exposed): Shared) -> Response {
    answer(exposed.alive(), json!({ "alive": exposed.alive() }))
}

async fn readyz(State(exposed): Shared) -> Response {
    let reasons = exposed.not_ready();
    answer(reasons.is_empty(), json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

fn answer(good: bool, body: serde_json::Value) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    struct Daemon {
        reasons: Vec<String>,
    }

    impl Exposed for Daemon {
        fn metrics(&self) -> Result<String, String> {
            Ok("enforcer_build_info 1\n".to_owned())
        }
        fn alive(&self) -> bool {
            true
        }
        fn not_ready(&self) -> Vec<String> {
            self.reasons.clone()
        }
    }

    async fn get(daemon: Daemon, path: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(serve(listener, Arc::new(daemon)));
        let mut client = TcpStream::connect(address).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("answered");
        server.abort();
        answer
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_ready_says_why() {
        let reasons = vec!["agent a: not verified".to_owned()];
        let answer = get(Daemon { reasons }, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("{\"ready\":false,\"reasons\":[\"agent a: not verified\"]}"));
    }

    #[tokio::test]
    async fn a_ready_daemon_says_so() {
        let ready = get(Daemon { reasons: Vec::new() }, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        let alive = get(Daemon { reasons: Vec::new() }, "/healthz").await;
        assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
    }

    #[tokio::test]
    async fn metrics_are_served_as_prometheus_text() {
        let answer = get(Daemon { reasons: Vec::new() }, "/metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.ends_with("enforcer_build_info 1\n"), "{answer}");
    }
}
