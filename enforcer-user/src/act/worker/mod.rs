//! The worker: one loop that takes findings and commands, most final first,
//! and revocations as they fall due.

mod quarantine;
mod queue;
mod plan;
mod ladder;
mod attempts;

use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

pub use quarantine::{Cut, QuarantineError, QuarantineHandle};

use super::handle::{Accepted, RevokeError};
use super::outbox::{Decision, OutboxError, Row};
use super::report::Teller;
use super::shared::Shared;
use crate::correlate::Finding;
use crate::policy::AgentName;
use attempts::Ended;
use queue::Queued;

/// Attempts at the same time.
const MAX_IN_FLIGHT: usize = 32;
/// How soon a failed write or quarantine is tried again.
const REPAIR_EVERY: Duration = Duration::from_secs(1);
/// Longest sleep; only what falls due or arrives ends it earlier.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The worker ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A part of it panicked.
    #[error("a part of the revocation worker panicked: {0}")]
    Panicked(#[from] JoinError),
}

/// What the handle asks for.
pub(super) enum Command {
    Finding(Box<Finding>),
    Revoke {
        credential: String,
        reason: String,
        reply: oneshot::Sender<Result<Accepted, RevokeError>>,
    },
}

/// A row that waits for its next attempt.
struct Try {
    row: Row,
    /// Just read, for the first attempt; later ones read it anew.
    secret: Option<SecretString>,
    /// An attempt may have got through before.
    asked_before: bool,
}

/// What could not be done and is tried until it is.
#[derive(Default)]
struct Unfinished {
    quarantines: Vec<(AgentName, String)>,
    decisions: Vec<Decision>,
    rows: Vec<Row>,
}

/// The worker's state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    quarantine: Arc<dyn QuarantineHandle>,
    teller: Teller,
    commands: UnboundedReceiver<Command>,
    backlog: BinaryHeap<Queued>,
    /// By the clock that nobody sets: a wall clock set back must not put off
    /// a revocation.
    due: BTreeMap<(Instant, Uuid), Try>,
    attempts: JoinSet<Ended>,
    unfinished: Unfinished,
}

// === impl Worker ===

impl Worker {
    /// Takes up every pending row of the outbox, to be tried at once.
    pub(super) fn new(
        shared: Arc<Shared>,
        quarantine: Arc<dyn QuarantineHandle>,
        teller: Teller,
        commands: UnboundedReceiver<Command>,
    ) -> Result<Self, OutboxError> {
        let now = Instant::now();
        let resumed = |row: Row| ((now, row.id), Try { row, secret: None, asked_before: true });
        Ok(Self {
            due: shared.outbox.pending()?.into_iter().map(resumed).collect(),
            shared,
            quarantine,
            teller,
            commands,
            backlog: BinaryHeap::new(),
            attempts: JoinSet::new(),
            unfinished: Unfinished::default(),
        })
    }

    /// Works until every handle is gone, then ends what was begun.
    pub(super) async fn run(mut self) -> Result<(), WorkerError> {
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.take(command).await?;
            }
            while let Some(ended) = self.attempts.try_join_next() {
                self.finish(ended?).await?;
            }
            self.start_due();
            if let Some(Queued(finding)) = self.backlog.pop() {
                self.climb(finding).await?;
                continue;
            }
            let pause = self.pause();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command).await?,
                    None => break,
                },
                Some(ended) = self.attempts.join_next() => self.finish(ended?).await?,
                () = tokio::time::sleep(pause) => self.repair().await?,
            }
        }
        while let Some(ended) = self.attempts.join_next().await {
            self.finish(ended?).await?;
        }
        Ok(())
    }

    /// Findings wait in order of severity; a person is answered at once.
    async fn take(&mut self, command: Command) -> Result<(), WorkerError> {
        match command {
            Command::Finding(finding) => self.backlog.push(Queued(*finding)),
            Command::Revoke { credential, reason, reply } => {
                let answer = self.revoke_by_hand(&credential, reason).await?;
                // Who asked may have hung up; the revocation stands.
                drop(reply.send(answer));
            }
        }
        Ok(())
    }

    fn pause(&self) -> Duration {
        let free = self.attempts.len() < MAX_IN_FLIGHT;
        let next = self.due.keys().next().filter(|_| free);
        let until = next.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let repair = (!self.unfinished.is_empty()).then_some(REPAIR_EVERY);
        [until, repair].into_iter().flatten().fold(LONGEST_SLEEP, Duration::min)
    }
}

// === impl Unfinished ===

impl Unfinished {
    fn is_empty(&self) -> bool {
        self.quarantines.is_empty() && self.decisions.is_empty() && self.rows.is_empty()
    }
}
