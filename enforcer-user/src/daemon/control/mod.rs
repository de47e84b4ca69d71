//! The control socket: root's way to ask and to tell the daemon.

mod client;
mod gate;
mod line;
mod socket;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use gate::Gate;
pub use socket::{SocketError, bind};

use super::protocol::{Reply, Request};
use crate::events::EventHub;

/// Clients served at once; `--follow` keeps one each.
const CLIENTS: usize = 64;

/// A client that asks nothing for so long is hung up on.
const IDLE: Duration = Duration::from_secs(60);

/// A client that takes nothing for so long is hung up on.
const WRITE: Duration = Duration::from_secs(10);

/// Who answers.
pub trait Answers: Send + Sync + 'static {
    /// Answers one request; never called with `events`.
    fn answer(&self, request: Request) -> impl Future<Output = Reply> + Send;
    /// The answer has been written.
    fn told(&self) {}
    /// Where events come from.
    fn hub(&self) -> &EventHub;
}

/// Serves the clients that `gate` lets in until the listener fails.
///
/// # Errors
/// The listener failed for good.
pub async fn serve<A: Answers>(
    listener: UnixListener,
    gate: Gate,
    answers: Arc<A>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CLIENTS));
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Some(stream) = usable(accepted)? else { continue };
                let place = Arc::clone(&places).try_acquire_owned().ok();
                clients.spawn(client::serve(stream, gate.clone(), place, Arc::clone(&answers)));
            }
            // A client's end is its own business; joining frees its memory.
            Some(ended) = clients.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("serve a control client: {error}");
                }
            }
        }
    }
}

/// A client that hung up before it was accepted, or a moment without free
/// descriptors, does not end the service.
fn usable<T>(accepted: io::Result<(UnixStream, T)>) -> io::Result<Option<UnixStream>> {
    const PASSING: [i32; 5] =
        [libc::ECONNABORTED, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS];
    match accepted {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(e) if e.raw_os_error().is_some_and(|code| PASSING.contains(&code)) => {
            tracing::warn!("accept a control client: {e}");
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
