//! One sink's task: read, send, note the position, and again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::super::LOG;
use super::super::entry::Link;
use super::super::export::host_name;
use super::super::head::Head;
use super::follow::{Batch, Follower};
use super::status::SinkStatus;
use super::target::{Line, Target, Trouble, told};
use crate::config::{ExportFormat, SinkSettings};
use crate::events::{Event, EventKind};

/// Pauses after failures: the first one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A sink.
pub(super) struct Task {
    name: String,
    log: PathBuf,
    /// Names the last entry that was delivered.
    position: PathBuf,
    format: ExportFormat,
    host: String,
    target: Target,
    status: Arc<SinkStatus>,
    flushed: watch::Receiver<u64>,
    told: UnboundedSender<Event>,
    /// Failures since the last success.
    failed: u32,
}

// === impl Task ===

impl Task {
    pub(super) fn new(
        state_dir: &Path,
        settings: &SinkSettings,
        status: Arc<SinkStatus>,
        flushed: watch::Receiver<u64>,
        told: UnboundedSender<Event>,
    ) -> Self {
        let host = host_name();
        Self {
            name: settings.name.clone(),
            log: state_dir.join(LOG),
            position: state_dir.join(format!("audit.{}.sink", settings.name)),
            format: settings.format,
            target: Target::new(&settings.to, &host),
            host,
            status,
            flushed,
            told,
            failed: 0,
        }
    }

    /// Goes on until the writer of the trail ends; says why it ended.
    pub(super) async fn run(mut self) -> String {
        let mut follower = self.resume().await;
        loop {
            let next = follower.next;
            let Ok(through) = self.flushed.wait_for(|seq| *seq >= next).await.map(|seq| *seq)
            else {
                return format!("sink {}: nobody writes the trail any more", self.name);
            };
            let (read, batch) = match spawn_blocking(move || {
                let batch = follower.batch(through);
                (follower, batch)
            })
            .await
            {
                Ok(read) => read,
                Err(panic) => return format!("sink {}: {panic}", self.name),
            };
            follower = read;
            match batch {
                Ok(batch) => self.pass_on(batch).await,
                Err(error) => {
                    follower = Follower::new(self.log.clone(), next);
                    self.failure(format!("read the audit log: {error}")).await;
                }
            }
        }
    }

    /// Behind what was delivered. A position in another trail (the log was
    /// moved aside, or written anew) says nothing: then from the beginning.
    async fn resume(&mut self) -> Follower {
        let position = match Head::read(&self.position) {
            Ok(position) => position,
            Err(error) => {
                self.say(EventKind::Daemon, format!("its position cannot be read: {error}"));
                None
            }
        };
        let mut next = 1;
        if let Some(position) = position {
            let (log, through) = (self.log.clone(), *self.flushed.borrow());
            let seq = position.seq;
            let same = spawn_blocking(move || is_of(&log, &position, through)).await;
            if same.unwrap_or(false) {
                next = seq + 1;
            } else {
                self.say(
                    EventKind::Daemon,
                    "the trail is another one: sent from its beginning".into(),
                );
            }
        }
        self.status.position.store(next - 1, Ordering::Relaxed);
        Follower::new(self.log.clone(), next)
    }

    async fn pass_on(&mut self, batch: Batch) {
        if batch.gone > 0 {
            let first = batch.entries.first().map_or(0, |entry| entry.seq);
            let why = format!("removed before it took them; it goes on with entry {first}");
            self.lose(batch.gone, &why);
        }
        let lines: Vec<_> = batch
            .entries
            .into_iter()
            .map(|entry| Line::new(entry, self.format, &self.host))
            .collect();
        let (mut rest, mut size) = (lines.as_slice(), lines.len());
        while !rest.is_empty() {
            size = size.clamp(1, rest.len());
            let taken = match self.target.send(&rest[..size]).await {
                Ok(()) => {
                    self.success(size);
                    size
                }
                // Which one is it?
                Err(Trouble::Refused(_)) if size > 1 => {
                    size = size.div_ceil(2);
                    continue;
                }
                Err(Trouble::Refused(why)) => {
                    let seq = rest[0].entry.seq;
                    self.lose(1, &format!("entry {seq} is refused: {why}"));
                    1
                }
                Err(Trouble::Later(why)) => {
                    self.failure(why).await;
                    continue;
                }
            };
            self.note(&rest[taken - 1].entry.link());
            rest = &rest[taken..];
        }
    }

    /// What cannot be noted is sent again after a restart.
    fn note(&mut self, link: &Link) {
        if let Err(error) = Head::of(link).write(&self.position) {
            tracing::warn!(sink = self.name, "note the position: {error}");
        }
        self.status.position.store(link.seq, Ordering::Relaxed);
    }

    fn success(&mut self, entries: usize) {
        self.status.delivered.fetch_add(entries as u64, Ordering::Relaxed);
        if std::mem::take(&mut self.failed) > 0 {
            self.say(EventKind::Daemon, "takes entries again".into());
        }
    }

    async fn failure(&mut self, why: String) {
        self.status.failures.fetch_add(1, Ordering::Relaxed);
        if self.failed == 0 {
            self.say(EventKind::Daemon, format!("takes no entries, they wait on disk: {why}"));
        }
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failed.min(16));
        self.failed = self.failed.saturating_add(1);
        sleep(pause.min(LONGEST_PAUSE)).await;
    }

    fn lose(&self, entries: u64, why: &str) {
        self.status.lost.fetch_add(entries, Ordering::Relaxed);
        self.say(EventKind::Lost, format!("{entries} entries not delivered: {why}"));
    }

    /// An error says that the daemon ends.
    fn say(&self, kind: EventKind, what: String) {
        let message = format!("audit sink {}: {what}", self.name);
        tracing::warn!("{message}");
        drop(self.told.send(told(kind, message)));
    }
}

/// Whether the trail goes through this position, as far as it is still there.
fn is_of(log: &Path, position: &Head, through: u64) -> bool {
    let entry = |batch: io::Result<Batch>| batch.ok()?.entries.into_iter().next();
    if position.seq > through {
        return false;
    }
    let found = entry(Follower::new(log.to_path_buf(), position.seq).batch(position.seq));
    found.is_none_or(|entry| entry.seq != position.seq || entry.hash == position.hash)
}
