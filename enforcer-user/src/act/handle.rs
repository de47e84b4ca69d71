//! The daemon's handle.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fingerprint::{FingerprintKey, KeyError};
use super::outbox::{Counts, Hold, Incident, Outbox, OutboxError, RowState};
use super::report::{Report, Teller};
use super::revoke::{self, ClientError};
use super::shared::{Inventory, Shared};
use super::worker::{Command, QuarantineHandle, Worker, WorkerError};
use crate::config::StormBudget;
use crate::correlate::Finding;
use crate::policy::Credential;

/// What the worker needs.
pub struct Setup {
    /// Where the outbox and the fingerprint key are; exists.
    pub state_dir: PathBuf,
    /// `/proc/sys/kernel/random/boot_id`, without its newline.
    pub boot_id: String,
    /// At most so many automatic revocations.
    pub storm: StormBudget,
    /// The inventory.
    pub credentials: Vec<Credential>,
    /// The way to the kernel's quarantine.
    pub quarantine: Arc<dyn QuarantineHandle>,
    /// Where every step is told.
    pub reports: UnboundedSender<Report>,
}

/// Acts on findings and commands. Cheap to clone; when the last one is gone
/// the worker finishes what it has begun and ends.
#[derive(Clone)]
pub struct Act {
    shared: Arc<Shared>,
    commands: UnboundedSender<Command>,
}

/// Acting cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No outbox, so nothing could be promised.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// No fingerprint key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A revocation by hand was not taken on.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The inventory has no such credential.
    #[error("no credential {credential} in the inventory")]
    Unknown {
        /// The id given.
        credential: String,
    },
    /// It has no `[credential.revoke]`.
    #[error("credential {credential} cannot be revoked: it has no [credential.revoke]")]
    NoRevoker {
        /// Its id.
        credential: String,
    },
    /// It could not be written down, so it was not tried.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The worker has ended.
    #[error("the worker that revokes has ended")]
    Ended,
}

/// A revocation by hand was taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Queued, and being tried.
    Queued,
    /// Was on its way already; is tried again now.
    Pending,
    /// This value of the credential is dead already.
    Revoked,
}

/// What `enforcer credentials` shows of a credential's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// Not revoked, as far as we know.
    Active,
    /// A revocation is on its way.
    Revoking,
    /// Confirmed dead.
    Revoked,
    /// Given up: a person must look.
    RevocationFailed,
}

/// What a revocation would do, for a dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokePlan {
    /// The word of `via`.
    pub provider: &'static str,
    /// The calls, one line each.
    pub calls: Vec<String>,
    /// Why the secret cannot be read; `None` when it can.
    pub secret_problem: Option<String>,
    /// How the credential is now.
    pub state: CredentialState,
}

// === impl Act ===

impl Act {
    /// Opens the outbox, resumes what is pending in it, and starts the worker
    /// on the current runtime. The daemon awaits the join handle: its end is
    /// the end of all acting.
    pub fn start(setup: Setup) -> Result<(Self, JoinHandle<Result<(), WorkerError>>), StartError> {
        let Setup { state_dir, boot_id, storm, credentials, quarantine, reports } = setup;
        let opened = Outbox::open(&state_dir)?;
        let teller = Teller(reports);
        if let Some(aside) = opened.moved_aside {
            let aside = aside.display();
            teller.alert(None, format!("the outbox was damaged and moved to {aside}: revocations that were pending in it are not resumed"));
        }
        let shared = Arc::new(Shared {
            outbox: opened.outbox,
            key: FingerprintKey::open(&state_dir)?,
            client: revoke::client()?,
            boot_id,
            inventory: RwLock::new(Inventory::new(credentials, storm)),
        });
        let (commands, receiver) = unbounded_channel();
        let worker = Worker::new(shared.clone(), quarantine, teller, receiver)?;
        Ok((Self { shared, commands }, tokio::spawn(worker.run())))
    }

    /// Hands over a finding; returns at once. How many can wait is bounded by
    /// the kernel's event budgets. `false` when the worker has ended.
    #[must_use = "a finding that nobody works on must be told"]
    pub fn handle(&self, finding: Finding) -> bool {
        self.commands.send(Command::Finding(Box::new(finding))).is_ok()
    }

    /// Revokes by hand: no storm budget. Returns when it is on disk and about
    /// to be tried; what becomes of it is reported.
    pub async fn revoke(&self, credential: &str, reason: &str) -> Result<Accepted, RevokeError> {
        let (reply, answer) = oneshot::channel();
        let command =
            Command::Revoke { credential: credential.into(), reason: reason.into(), reply };
        self.commands.send(command).map_err(|_| RevokeError::Ended)?;
        answer.await.map_err(|_| RevokeError::Ended)?
    }

    /// What [`Act::revoke`] would do. Reads the secret, calls nobody.
    pub fn plan(&self, credential: &str) -> Result<RevokePlan, RevokeError> {
        let id = || credential.to_owned();
        let found = self.shared.credential(credential);
        let found = found.ok_or_else(|| RevokeError::Unknown { credential: id() })?;
        let revoker = found.revoke.as_ref();
        let revoker = revoker.ok_or_else(|| RevokeError::NoRevoker { credential: id() })?;
        Ok(RevokePlan {
            provider: revoke::provider(Some(revoker)),
            calls: revoke::calls(revoker),
            secret_problem: self.shared.secret(&found).err().map(|error| error.to_string()),
            state: self.state(credential)?,
        })
    }

    /// How the credential's present value is. A new secret is active again.
    pub fn state(&self, credential: &str) -> Result<CredentialState, OutboxError> {
        let found = self.shared.credential(credential);
        let secret = found.and_then(|found| self.shared.secret(&found).ok());
        let fingerprint = secret.as_ref().map(|(_, fingerprint)| fingerprint.as_str());
        let row = self.shared.outbox.find(credential, fingerprint)?;
        Ok(match row.map(|row| row.state) {
            None => CredentialState::Active,
            Some(RowState::Pending) => CredentialState::Revoking,
            Some(RowState::Confirmed) => CredentialState::Revoked,
            Some(RowState::Dead) => CredentialState::RevocationFailed,
        })
    }

    /// How many revocations wait for a provider, and for a person.
    pub fn counts(&self) -> Result<Counts, OutboxError> {
        self.shared.outbox.counts()
    }

    /// Puts a new inventory and budget in force, for rows already queued too.
    pub fn update(&self, credentials: Vec<Credential>, storm: StormBudget) {
        self.shared.replace(Inventory::new(credentials, storm));
    }

    /// Quarantines to be applied at start.
    pub fn quarantines(&self) -> Result<Vec<Hold>, OutboxError> {
        self.shared.outbox.holds()
    }

    /// Remembers a quarantine that the daemon set; durable when it returns.
    pub fn put_quarantine(&self, hold: &Hold) -> Result<(), OutboxError> {
        self.shared.outbox.hold(hold)
    }

    /// Forgets a quarantine; durable when it returns.
    pub fn remove_quarantine(&self, agent: &str) -> Result<(), OutboxError> {
        self.shared.outbox.unhold(agent)
    }

    /// Whether the kernel's alarm was answered by this daemon or an earlier
    /// one. `ktime_ns` is when the kernel set the quarantine.
    pub fn alarm_handled(&self, agent: &str, ktime_ns: u64) -> Result<bool, OutboxError> {
        let boot_id = self.shared.boot_id.clone();
        self.shared.outbox.handled(&Incident { agent: agent.into(), boot_id, ktime_ns })
    }
}

// === impl CredentialState ===

impl CredentialState {
    /// The word of the control protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
            Self::RevocationFailed => "revocation-failed",
        }
    }
}
