//! Opening the outbox. A damaged file is moved aside, loudly, and a new one is
//! started: enforcement does not wait for a person.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageError};

use super::holds::{HOLDS, INCIDENTS};
use super::store::{DEAD, KEYS, Outbox, OutboxError, PENDING, ROWS};

/// An outbox, and what was wrong with the one before it.
#[derive(Debug)]
pub struct Opened {
    /// Ready for use.
    pub outbox: Outbox,
    /// The damaged file, moved aside; must be told to people: revocations
    /// that were pending in it are not resumed.
    pub moved_aside: Option<PathBuf>,
}

/// How opening went wrong.
enum Problem {
    Damaged(String),
    Other(OutboxError),
}

// === impl Outbox ===

impl Outbox {
    /// Opens `outbox.redb` in the state directory, mode 0600; makes it if
    /// missing. Fails when another daemon has it, or the disk refuses.
    pub fn open(state_dir: &Path) -> Result<Opened, OutboxError> {
        let path = state_dir.join("outbox.redb");
        let damage = match Self::open_sound(&path) {
            Ok(outbox) => return Ok(Opened { outbox, moved_aside: None }),
            Err(Problem::Other(error)) => return Err(error),
            Err(Problem::Damaged(damage)) => damage,
        };
        let aside = aside(&path);
        std::fs::rename(&path, &aside).map_err(|e| file_failed(&path, e))?;
        tracing::error!(
            file = %path.display(), aside = %aside.display(), damage,
            "the outbox is damaged: moved aside, a new one is started; revocations that were \
             pending in it are not resumed"
        );
        match Self::open_sound(&path) {
            Ok(outbox) => Ok(Opened { outbox, moved_aside: Some(aside) }),
            Err(Problem::Other(error)) => Err(error),
            Err(Problem::Damaged(damage)) => Err(file_failed(&path, std::io::Error::other(damage))),
        }
    }

    /// Opens it and reads everything once. redb answers some damage with a
    /// panic, which must not end the daemon.
    fn open_sound(path: &Path) -> Result<Self, Problem> {
        let file = private_file(path).map_err(|e| Problem::Other(file_failed(path, e)))?;
        match catch_unwind(AssertUnwindSafe(|| Self::open_checked(path, file))) {
            Ok(opened) => opened,
            Err(_) => Err(Problem::Damaged("the database cannot be read".into())),
        }
    }

    fn open_checked(path: &Path, file: File) -> Result<Self, Problem> {
        let mut database = database(file).map_err(|error| opening(path, error))?;
        if !database.check_integrity().map_err(|error| opening(path, error))? {
            return Err(Problem::Damaged("a checksum is wrong".into()));
        }
        let outbox = Self { database: RwLock::new(Some(database)), path: path.into() };
        outbox.make_tables().map_err(Problem::Other)?;
        let readable = outbox.rows().and(outbox.pending()).and(outbox.counts());
        let readable = readable.map(|_| ()).and(outbox.holds().map(|_| ()));
        readable.map_err(|error| Problem::Damaged(error.to_string()))?;
        Ok(outbox)
    }

    /// Opens the same file again; what is wrong with it now is for the log, and
    /// the next write tries again.
    pub(super) fn reopen(&self) {
        let mut held = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: redb locks the file.
        *held = None;
        let opened =
            || -> Result<Database, redb::Error> { Ok(database(private_file(&self.path)?)?) };
        match catch_unwind(AssertUnwindSafe(opened)) {
            Ok(Ok(database)) => *held = Some(database),
            Ok(Err(error)) => tracing::error!(%error, "the outbox cannot be opened again"),
            Err(_) => tracing::error!("the outbox cannot be opened again: it cannot be read"),
        }
    }

    /// Reading a table that was never written is an error in redb.
    fn make_tables(&self) -> Result<(), OutboxError> {
        self.write(|write| {
            write.open_table(ROWS).map_err(|e| self.failed(e))?;
            write.open_table(KEYS).map_err(|e| self.failed(e))?;
            write.open_table(PENDING).map_err(|e| self.failed(e))?;
            write.open_table(DEAD).map_err(|e| self.failed(e))?;
            write.open_table(HOLDS).map_err(|e| self.failed(e))?;
            write.open_table(INCIDENTS).map_err(|e| self.failed(e))?;
            Ok(())
        })
    }
}

fn database(file: File) -> Result<Database, DatabaseError> {
    Database::builder().create_with_backend(FileBackend::new(file)?)
}

fn opening(path: &Path, error: DatabaseError) -> Problem {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        return Problem::Other(OutboxError::InUse { path: path.into() });
    }
    let damaged = match &error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => {
            true
        }
        // What redb says of a file that is not its own.
        DatabaseError::Storage(StorageError::Io(e)) => {
            matches!(e.kind(), InvalidData | UnexpectedEof)
        }
        DatabaseError::Storage(_)
        | DatabaseError::LockProtocolMismatch
        | DatabaseError::RepairAborted
        | DatabaseError::TransactionInProgress
        | _ => false,
    };
    if damaged {
        return Problem::Damaged(error.to_string());
    }
    let source = Box::new(redb::Error::from(error));
    Problem::Other(OutboxError::Database { path: path.into(), source })
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// A free name beside the file.
fn aside(path: &Path) -> PathBuf {
    let named = |n: u32| path.with_extension(format!("redb.damaged-{n}"));
    (1..).map(named).find(|aside| !aside.exists()).unwrap_or_else(|| named(0))
}

fn file_failed(path: &Path, source: std::io::Error) -> OutboxError {
    OutboxError::File { path: path.into(), source }
}
