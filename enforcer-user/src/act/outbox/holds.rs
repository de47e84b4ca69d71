//! Quarantines and handled alarms, kept across restarts and reboots.

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::store::{Outbox, OutboxError};

/// Quarantine by agent.
pub(super) const HOLDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("quarantines");
/// Newest handled alarm by agent.
pub(super) const INCIDENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("incidents");

/// A quarantine that is to be in force again after a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whose.
    pub agent: String,
    /// Why, for people.
    pub reason: String,
    /// Since when, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// One quarantine that the kernel set on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Whose.
    pub agent: String,
    /// `/proc/sys/kernel/random/boot_id`: kernel time starts anew with a boot.
    pub boot_id: String,
    /// `CLOCK_MONOTONIC` when the kernel set it, nanoseconds.
    pub ktime_ns: u64,
}

// === impl Outbox ===

impl Outbox {
    /// Quarantines to be in force, by agent.
    pub fn holds(&self) -> Result<Vec<Hold>, OutboxError> {
        let read = self.read()?;
        let holds = read.open_table(HOLDS).map_err(|e| self.failed(e))?;
        let all = holds.iter().map_err(|e| self.failed(e))?;
        all.map(|hold| self.decode(hold.map_err(|e| self.failed(e))?.1.value())).collect()
    }

    /// Remembers a quarantine; one that is known keeps its reason and time.
    pub fn hold(&self, hold: &Hold) -> Result<(), OutboxError> {
        self.write(|write| self.put_hold(write, hold))
    }

    /// Forgets a quarantine; no error where there is none.
    pub fn unhold(&self, agent: &str) -> Result<(), OutboxError> {
        self.write(|write| {
            let mut holds = write.open_table(HOLDS).map_err(|e| self.failed(e))?;
            holds.remove(agent).map_err(|e| self.failed(e))?;
            Ok(())
        })
    }

    /// Whether the alarm, or a later one of the same agent and boot, has been
    /// answered.
    pub fn handled(&self, incident: &Incident) -> Result<bool, OutboxError> {
        let read = self.read()?;
        let incidents = read.open_table(INCIDENTS).map_err(|e| self.failed(e))?;
        let known = incidents.get(incident.agent.as_str()).map_err(|e| self.failed(e))?;
        let known: Option<Incident> = known.map(|known| self.decode(known.value())).transpose()?;
        Ok(known.is_some_and(|known| {
            known.boot_id == incident.boot_id && known.ktime_ns >= incident.ktime_ns
        }))
    }

    pub(super) fn put_hold(
        &self,
        write: &WriteTransaction,
        hold: &Hold,
    ) -> Result<(), OutboxError> {
        let mut holds = write.open_table(HOLDS).map_err(|e| self.failed(e))?;
        let known = holds.get(hold.agent.as_str()).map_err(|e| self.failed(e))?.is_some();
        if !known {
            let bytes = self.encode(hold)?;
            holds.insert(hold.agent.as_str(), bytes.as_slice()).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    pub(super) fn put_incident(
        &self,
        write: &WriteTransaction,
        incident: &Incident,
    ) -> Result<(), OutboxError> {
        let mut incidents = write.open_table(INCIDENTS).map_err(|e| self.failed(e))?;
        let bytes = self.encode(incident)?;
        let agent = incident.agent.as_str();
        incidents.insert(agent, bytes.as_slice()).map_err(|e| self.failed(e))?;
        Ok(())
    }
}
