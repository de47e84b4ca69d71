//! Attempts: starting those that are due, and what follows from their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::{MAX_IN_FLIGHT, Try, Worker, WorkerError};
use crate::act::outbox::{OutboxError, Row, RowState};
use crate::act::revoke::{Job, Outcome, attempt};
use crate::act::shared::Shared;
use crate::act::{backoff, clock};
use crate::policy::{Credential, Revoker};

const REPLACED: &str = "the secret was replaced before its former value could be revoked; hint: \
                        revoke that one at the provider";

/// An attempt that ended.
pub(super) struct Ended {
    row: Row,
    outcome: Outcome,
    /// From the violation to the end of the attempt.
    took: Duration,
}

// === impl Worker ===

impl Worker {
    pub(super) fn start_due(&mut self) {
        while self.attempts.len() < MAX_IN_FLIGHT {
            let Some(first) = self.due.first_entry() else { break };
            if first.key().0 > Instant::now() {
                break;
            }
            let tried = first.remove();
            self.attempts.spawn(try_once(self.shared.clone(), tried));
        }
    }

    /// Writes down how the attempt ended, tells it, and queues the next one.
    pub(super) async fn finish(&mut self, ended: Ended) -> Result<(), WorkerError> {
        let Ended { mut row, outcome, took } = ended;
        row.attempts += 1;
        let Step { word, message, wait } = step(&mut row, outcome, took);
        self.unfinished.rows.retain(|older| older.id != row.id);
        self.save(&row).await?;
        self.teller.row(&row, word, message);
        let duration = (row.state == RowState::Confirmed).then_some(took);
        self.teller.count(self.provider_of(&row.credential), word, duration);
        if row.state == RowState::Pending {
            let again = Try { row, secret: None, asked_before: true };
            self.due.insert((Instant::now() + wait, again.row.id), again);
        }
        Ok(())
    }

    /// A result that cannot be written is told, and written later; after a
    /// crash the row is pending, and introspection is asked before anything is
    /// called again.
    async fn save(&mut self, row: &Row) -> Result<(), WorkerError> {
        if let Err(error) = self.try_save(row).await? {
            let credential = &row.credential;
            let message = format!("what became of {credential} could not be written down: {error}");
            self.teller.alert(row.agent.as_deref(), message);
            self.unfinished.rows.push(row.clone());
        }
        Ok(())
    }

    pub(super) async fn try_save(&self, row: &Row) -> Result<Result<(), OutboxError>, WorkerError> {
        let (shared, saved) = (self.shared.clone(), row.clone());
        Ok(spawn_blocking(move || shared.outbox.save(&saved)).await?)
    }
}

/// What is told of a step.
struct Step {
    word: &'static str,
    message: String,
    /// Until the next attempt, of a row that is still pending.
    wait: Duration,
}

/// The row after an attempt that ended so.
fn step(row: &mut Row, outcome: Outcome, took: Duration) -> Step {
    match outcome {
        Outcome::Done(proof) => {
            row.state = RowState::Confirmed;
            row.last_error = None;
            let ms = took.as_secs_f64() * 1000.0;
            let message = format!("dead ({}), {ms:.1} ms after the violation", proof.as_str());
            Step { word: "confirmed", message, wait: Duration::ZERO }
        }
        Outcome::Fail { error } => given_up(row, error),
        Outcome::Retry { after, error, accepted } => {
            row.accepted |= accepted;
            if backoff::over(row.attempts, took) {
                let attempts = row.attempts;
                return given_up(row, format!("given up after {attempts} attempts: {error}"));
            }
            let wait = backoff::wait(row.attempts, after);
            row.next_attempt = clock::wall() + wait;
            let (attempts, seconds) = (row.attempts, wait.as_secs_f64());
            let message = format!("attempt {attempts} failed, next in {seconds:.1} s: {error}");
            row.last_error = Some(error);
            Step { word: "retried", message, wait }
        }
    }
}

fn given_up(row: &mut Row, error: String) -> Step {
    row.state = RowState::Dead;
    let message = format!("FAILED, the credential may still live: {error}");
    row.last_error = Some(error);
    Step { word: "failed", message, wait: Duration::ZERO }
}

async fn try_once(shared: Arc<Shared>, tried: Try) -> Ended {
    let outcome = outcome_of(&shared, &tried).await;
    let took = shared.since(&tried.row.violation);
    Ended { row: tried.row, outcome, took }
}

async fn outcome_of(shared: &Shared, tried: &Try) -> Outcome {
    let Try { row, secret, asked_before } = tried;
    let Some(credential) = shared.credential(&row.credential) else {
        return Outcome::retry("the credential is not in the inventory any more");
    };
    let read_now = match secret {
        Some(_) => None,
        None => match shared.secret(&credential) {
            Ok((_, now)) if replaced(row, &credential, &now) => return Outcome::fail(REPLACED),
            Ok((secret, _)) => Some(secret),
            Err(error) => {
                tracing::warn!(credential = row.credential, "{error}");
                None
            }
        },
    };
    let secret = secret.as_ref().or(read_now.as_ref());
    let job = Job { row, credential: &credential, secret, asked_before: *asked_before };
    attempt(&shared.client, job).await
}

/// Whether the secret at hand is not the one the row is about.
fn replaced(row: &Row, credential: &Credential, now: &str) -> bool {
    let follows = credential.revoke.as_ref().is_some_and(Revoker::follows_the_secret);
    follows && row.fingerprint.as_deref().is_some_and(|then| then != now)
}
