//! The daemon's handle.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use super::LOG;
use super::open::{AuditError, open};
use super::writer::{Losses, Message};
use crate::config::AuditSettings;
use crate::events::Event;

/// Events that may wait for the disk; more are counted as lost.
const QUEUE: usize = 16_384;

/// Appends to the log. Cheap to clone; when the last one is gone the writer
/// flushes and ends.
#[derive(Clone, Debug)]
pub struct Audit {
    messages: SyncSender<Message>,
    losses: Arc<Losses>,
    flushed: watch::Receiver<u64>,
}

// === impl Audit ===

impl Audit {
    /// Opens `audit.jsonl` in the state directory, checks its end, and starts
    /// the writer on the current runtime. The daemon awaits the join handle:
    /// its end is the end of the record.
    pub fn start(
        state_dir: &Path,
        settings: &AuditSettings,
    ) -> Result<(Self, JoinHandle<()>), AuditError> {
        let losses = Arc::new(Losses::default());
        let writer = open(&state_dir.join(LOG), settings, losses.clone())?;
        let flushed = writer.flushed.subscribe();
        let (messages, receiver) = sync_channel(QUEUE);
        let join = spawn_blocking(move || writer.run(&receiver));
        Ok((Self { messages, losses, flushed }, join))
    }

    /// Hands over an event; never blocks. Flushed within 50 ms, and at once for
    /// revocations, quarantines and policy changes. What cannot be taken is
    /// counted, and written down as a `lost` entry as soon as possible.
    pub fn append(&self, event: &Event) {
        let message = Message::Append(Box::new(event.clone()));
        if self.messages.try_send(message).is_err() {
            self.losses.add();
        }
    }

    /// Waits until everything handed over before is on disk; `false` where it
    /// is not, or the writer has ended.
    pub async fn sync(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        let messages = self.messages.clone();
        let sent = spawn_blocking(move || messages.send(Message::Sync(reply)).is_ok()).await;
        sent.unwrap_or(false) && answer.await.unwrap_or(false)
    }

    /// The number of the last entry that is on disk.
    pub(super) fn flushed(&self) -> watch::Receiver<u64> {
        self.flushed.clone()
    }

    /// Entries lost since the start.
    pub fn lost(&self) -> u64 {
        self.losses.total.load(Ordering::Relaxed)
    }
}
