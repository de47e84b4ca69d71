//! One decision, written whole or not at all.

use redb::{ReadableTable, WriteTransaction};
use time::OffsetDateTime;

use super::holds::{Hold, Incident};
use super::row::{NewRow, Row, RowState};
use super::store::{DEAD, KEYS, Outbox, OutboxError, PENDING, ROWS};
use crate::act::storm;
use crate::config::StormBudget;

/// Everything that one finding (or one command) leads to.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// A quarantine to be in force after a reboot as well.
    pub hold: Option<Hold>,
    /// The kernel's alarm that is answered by this.
    pub incident: Option<Incident>,
    /// Revocations asked for.
    pub rows: Vec<NewRow>,
}

/// What became of a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// New rows, to be tried now.
    pub queued: Vec<Row>,
    /// Rows that were there already, pending or confirmed.
    pub known: Vec<Row>,
    /// Credentials the storm budget had nothing left for.
    pub over_budget: Vec<String>,
}

// === impl Outbox ===

impl Outbox {
    /// Writes a decision in one transaction; durable when this returns. The
    /// same value of a credential is queued once: again only when it was given
    /// up, or when its secret could not be read so far.
    pub fn record(
        &self,
        decision: &Decision,
        budget: StormBudget,
        now: OffsetDateTime,
    ) -> Result<Recorded, OutboxError> {
        self.write(|write| {
            if let Some(hold) = &decision.hold {
                self.put_hold(write, hold)?;
            }
            if let Some(incident) = &decision.incident {
                self.put_incident(write, incident)?;
            }
            let mut recorded = Recorded::default();
            let mut left = self.budget_left(write, budget, now)?;
            for new in decision.rows.iter().cloned() {
                self.queue(write, new, now, &mut left, &mut recorded)?;
            }
            Ok(recorded)
        })
    }

    fn queue(
        &self,
        write: &WriteTransaction,
        new: NewRow,
        now: OffsetDateTime,
        left: &mut u32,
        recorded: &mut Recorded,
    ) -> Result<(), OutboxError> {
        let row = new.into_row(now);
        let known = self.known(write, &row)?;
        if let Some(known) = known.as_ref().filter(|known| stands(known)) {
            recorded.known.push(known.clone());
            return Ok(());
        }
        if row.automatic && *left == 0 {
            recorded.over_budget.push(row.credential);
            return Ok(());
        }
        *left -= u32::from(row.automatic);
        if let Some(known) = known {
            self.forget(write, &known)?;
        }
        self.put(write, &row)?;
        recorded.queued.push(row);
        Ok(())
    }

    fn known(&self, write: &WriteTransaction, row: &Row) -> Result<Option<Row>, OutboxError> {
        let keys = write.open_table(KEYS).map_err(|e| self.failed(e))?;
        let rows = write.open_table(ROWS).map_err(|e| self.failed(e))?;
        self.lookup(&keys, &rows, &row.key())
    }

    fn forget(&self, write: &WriteTransaction, row: &Row) -> Result<(), OutboxError> {
        let id = row.id.as_u128();
        let mut rows = write.open_table(ROWS).map_err(|e| self.failed(e))?;
        rows.remove(id).map_err(|e| self.failed(e))?;
        for table in [PENDING, DEAD] {
            let mut table = write.open_table(table).map_err(|e| self.failed(e))?;
            table.remove(id).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// Reads back only as far as the budget's window reaches.
    fn budget_left(
        &self,
        write: &WriteTransaction,
        budget: StormBudget,
        now: OffsetDateTime,
    ) -> Result<u32, OutboxError> {
        let rows = write.open_table(ROWS).map_err(|e| self.failed(e))?;
        let mut created = Vec::new();
        for row in rows.iter().map_err(|e| self.failed(e))?.rev() {
            let row: Row = self.decode(row.map_err(|e| self.failed(e))?.1.value())?;
            if now - row.created >= budget.per {
                break;
            }
            created.extend(row.automatic.then_some(row.created));
        }
        Ok(storm::left(budget, created.into_iter(), now))
    }
}

/// Whether a row makes another one for the same key needless. A confirmed row
/// without a fingerprint says nothing about today's secret.
fn stands(row: &Row) -> bool {
    match row.state {
        RowState::Pending => true,
        RowState::Confirmed => row.fingerprint.is_some(),
        RowState::Dead => false,
    }
}
