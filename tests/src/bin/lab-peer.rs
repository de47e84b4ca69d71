//! What the demo's agent talks to: an allowed API, a forbidden one and a sink
//! for datagrams. It counts what really arrives, whatever anybody else claims.
//!
//! `GET /counts` on 127.0.0.1 is the account: one JSON object.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Two web servers and a datagram sink that count what arrives.
#[derive(Parser)]
struct Args {
    /// Address of the API that the agent's policy allows.
    #[arg(long)]
    allowed: IpAddr,
    /// Address of the API that no policy names.
    #[arg(long)]
    forbidden: IpAddr,
    /// TCP port of both.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// UDP port of the sink, at the allowed address.
    #[arg(long, default_value_t = 9000)]
    sink: u16,
    /// Port of `GET /counts` on 127.0.0.1.
    #[arg(long, default_value_t = 9800)]
    counts: u16,
}

/// What has arrived.
#[derive(Default)]
struct Counts {
    allowed: AtomicU64,
    forbidden: AtomicU64,
    datagrams: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let counts = Arc::new(Counts::default());
    let allowed = listen(args.allowed, args.port).await?;
    let forbidden = listen(args.forbidden, args.port).await?;
    let sink = UdpSocket::bind((args.allowed, args.sink)).await.context("bind the sink")?;
    let account = listen(Ipv4Addr::LOCALHOST.into(), args.counts).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve_api(allowed, Arc::clone(&counts), |counts| &counts.allowed));
    tasks.spawn(serve_api(forbidden, Arc::clone(&counts), |counts| &counts.forbidden));
    tasks.spawn(swallow(sink, Arc::clone(&counts)));
    tasks.spawn(serve_counts(account, counts));
    println!("ready");
    // None of them ends unless something is wrong.
    tasks.join_next().await.context("no task")??
}

async fn listen(address: IpAddr, port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((address, port));
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Each connection counts, also one that says nothing.
async fn serve_api(
    listener: TcpListener,
    counts: Arc<Counts>,
    which: fn(&Counts) -> &AtomicU64,
) -> Result<()> {
    let mut answers = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        which(&counts).fetch_add(1, Ordering::SeqCst);
        answers.spawn(answer(stream));
        while answers.try_join_next().is_some() {}
    }
}

/// A client that goes away early is its own business: it has been counted.
async fn answer(mut stream: TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = [0; 1024];
    let reply =
        b"HTTP/1.1 200 OK\r\ncontent-length: 23\r\nconnection: close\r\n\r\nhere are your contacts\n";
    if stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
        drop(stream.write_all(reply).await);
    }
}

async fn swallow(sink: UdpSocket, counts: Arc<Counts>) -> Result<()> {
    let mut datagram = [0; 2048];
    loop {
        sink.recv(&mut datagram).await.context("receive")?;
        counts.datagrams.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve_counts(listener: TcpListener, counts: Arc<Counts>) -> Result<()> {
    let routes = Router::new().route("/counts", get(account)).with_state(counts);
    axum::serve(listener, routes).await.context("serve the counts")
}

async fn account(State(counts): State<Arc<Counts>>) -> Json<Value> {
    let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
    Json(json!({
        "allowed": read(&counts.allowed),
        "forbidden": read(&counts.forbidden),
        "datagrams": read(&counts.datagrams),
    }))
}
