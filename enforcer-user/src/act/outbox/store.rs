//! The tables, and rows in and out of them.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::row::{Row, RowState, key};

/// Row by id. UUID version 7 counts up with time, so the order is by age.
pub(super) const ROWS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("rows");
/// Id by credential and fingerprint.
pub(super) const KEYS: TableDefinition<'_, &str, u128> = TableDefinition::new("keys");
/// Ids of pending rows.
pub(super) const PENDING: TableDefinition<'_, u128, ()> = TableDefinition::new("pending");
/// Ids of dead rows.
pub(super) const DEAD: TableDefinition<'_, u128, ()> = TableDefinition::new("dead");

/// The database `outbox.redb` in the state directory.
#[derive(Debug)]
pub struct Outbox {
    /// `None` while it cannot be opened again after a failed write.
    pub(super) database: RwLock<Option<Database>>,
    pub(super) path: PathBuf,
}

/// How many rows wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not confirmed yet.
    pub pending: u64,
    /// Given up.
    pub dead: u64,
}

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database said no: disk full, input/output error.
    #[error("outbox {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<redb::Error>,
    },
    /// Another daemon has it open.
    #[error("outbox {} is in use by another daemon", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("outbox {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A write failed, and it cannot be opened again yet.
    #[error("outbox {} is closed after a failed write; opening it is tried again", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// A row is not what this version writes.
    #[error("outbox {}: unreadable row: {source}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

// === impl Outbox ===

impl Outbox {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rows to be tried, oldest first.
    pub fn pending(&self) -> Result<Vec<Row>, OutboxError> {
        let read = self.read()?;
        let ids = read.open_table(PENDING).map_err(|e| self.failed(e))?;
        let rows = read.open_table(ROWS).map_err(|e| self.failed(e))?;
        let mut found = Vec::new();
        for id in ids.iter().map_err(|e| self.failed(e))? {
            let id = id.map_err(|e| self.failed(e))?.0.value();
            if let Some(row) = rows.get(id).map_err(|e| self.failed(e))? {
                found.push(self.decode(row.value())?);
            }
        }
        Ok(found)
    }

    /// Every row, oldest first.
    pub fn rows(&self) -> Result<Vec<Row>, OutboxError> {
        let read = self.read()?;
        let rows = read.open_table(ROWS).map_err(|e| self.failed(e))?;
        let all = rows.iter().map_err(|e| self.failed(e))?;
        all.map(|row| self.decode(row.map_err(|e| self.failed(e))?.1.value())).collect()
    }

    /// The row for this value of a credential.
    pub fn find(
        &self,
        credential: &str,
        fingerprint: Option<&str>,
    ) -> Result<Option<Row>, OutboxError> {
        let read = self.read()?;
        let keys = read.open_table(KEYS).map_err(|e| self.failed(e))?;
        let rows = read.open_table(ROWS).map_err(|e| self.failed(e))?;
        self.lookup(&keys, &rows, &key(credential, fingerprint))
    }

    /// How many rows wait; two look-ups of table headers.
    pub fn counts(&self) -> Result<Counts, OutboxError> {
        let read = self.read()?;
        let len = |table| {
            let table = read.open_table(table).map_err(|e| self.failed(e))?;
            table.len().map_err(|e| self.failed(e))
        };
        Ok(Counts { pending: len(PENDING)?, dead: len(DEAD)? })
    }

    /// Writes a row back after an attempt. On disk when this returns.
    pub fn save(&self, row: &Row) -> Result<(), OutboxError> {
        self.write(|write| self.put(write, row))
    }

    pub(super) fn put(&self, write: &WriteTransaction, row: &Row) -> Result<(), OutboxError> {
        let id = row.id.as_u128();
        let failed = |e| self.failed::<redb::StorageError>(e);
        let mut rows = write.open_table(ROWS).map_err(|e| self.failed(e))?;
        rows.insert(id, self.encode(row)?.as_slice()).map_err(failed)?;
        let mut keys = write.open_table(KEYS).map_err(|e| self.failed(e))?;
        keys.insert(row.key().as_str(), id).map_err(failed)?;
        for (table, state) in [(PENDING, RowState::Pending), (DEAD, RowState::Dead)] {
            let mut table = write.open_table(table).map_err(|e| self.failed(e))?;
            if row.state == state {
                table.insert(id, ()).map_err(failed)?;
            } else {
                table.remove(id).map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(super) fn lookup(
        &self,
        keys: &impl ReadableTable<&'static str, u128>,
        rows: &impl ReadableTable<u128, &'static [u8]>,
        key: &str,
    ) -> Result<Option<Row>, OutboxError> {
        let Some(id) = keys.get(key).map_err(|e| self.failed(e))? else { return Ok(None) };
        let row = rows.get(id.value()).map_err(|e| self.failed(e))?;
        row.map(|row| self.decode(row.value())).transpose()
    }

    /// One transaction, all of it or nothing; durable when this returns (redb
    /// commits with `Durability::Immediate` unless told otherwise). After an
    /// input/output error, a full disk for one, redb refuses everything until
    /// it is opened anew.
    pub(super) fn write<T>(
        &self,
        job: impl FnOnce(&WriteTransaction) -> Result<T, OutboxError>,
    ) -> Result<T, OutboxError> {
        let done = self.try_write(job);
        if let Err(OutboxError::Database { .. } | OutboxError::Closed { .. }) = &done {
            self.reopen();
        }
        done
    }

    fn try_write<T>(
        &self,
        job: impl FnOnce(&WriteTransaction) -> Result<T, OutboxError>,
    ) -> Result<T, OutboxError> {
        let write = self.with(|database| database.begin_write().map_err(|e| self.failed(e)))?;
        let done = job(&write)?;
        write.commit().map_err(|e| self.failed(e))?;
        Ok(done)
    }

    pub(super) fn read(&self) -> Result<ReadTransaction, OutboxError> {
        self.with(|database| database.begin_read().map_err(|e| self.failed(e)))
    }

    fn with<T>(
        &self,
        job: impl FnOnce(&Database) -> Result<T, OutboxError>,
    ) -> Result<T, OutboxError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || OutboxError::Closed { path: self.path.clone() };
        job(database.as_ref().ok_or_else(closed)?)
    }

    pub(super) fn encode(&self, value: &impl Serialize) -> Result<Vec<u8>, OutboxError> {
        serde_json::to_vec(value).map_err(|source| self.unreadable(source))
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, OutboxError> {
        serde_json::from_slice(bytes).map_err(|source| self.unreadable(source))
    }

    pub(super) fn failed<E: Into<redb::Error>>(&self, error: E) -> OutboxError {
        OutboxError::Database { path: self.path.clone(), source: Box::new(error.into()) }
    }

    fn unreadable(&self, source: serde_json::Error) -> OutboxError {
        OutboxError::Row { path: self.path.clone(), source }
    }
}
