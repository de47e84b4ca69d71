//! The ladder: alert, quarantine, revoke.

use std::collections::HashMap;
use std::time::Instant;

use secrecy::SecretString;
use tokio::task::spawn_blocking;

use super::plan::Plan;
use super::quarantine::Cut;
use super::{Try, Worker, WorkerError};
use crate::act::clock;
use crate::act::handle::{Accepted, RevokeError};
use crate::act::outbox::{Decision, NewRow, OutboxError, Recorded, Row, RowState};
use crate::act::revoke::provider;
use crate::correlate::Finding;
use crate::policy::{AgentName, Step};

// === impl Worker ===

impl Worker {
    /// One finding, step by step. What is revoked is on disk before it is
    /// tried, together with the quarantine and the alarm it answers.
    pub(super) async fn climb(&mut self, finding: Finding) -> Result<(), WorkerError> {
        let agent = finding.agent.as_str();
        if finding.steps.contains(&Step::Alert) {
            self.teller.alert(Some(agent), format!("agent {agent} {}", finding.summary()));
        }
        if finding.steps.contains(&Step::Quarantine) {
            self.cut_off(&finding.agent, finding.summary());
        }
        let (shared, of) = (self.shared.clone(), finding.clone());
        let plan = spawn_blocking(move || Plan::of(&shared, &of)).await?;
        for credential in &plan.without_revoker {
            let message = "cannot be revoked: it has no [credential.revoke]".to_owned();
            self.teller.revocation(Some(agent), credential, "no-revoker", message);
            self.teller.count(provider(None), "no-revoker", None);
        }
        if plan.is_empty() {
            return Ok(());
        }
        if let Ok(recorded) = self.commit(plan).await?
            && !recorded.over_budget.is_empty()
        {
            self.degrade(&finding, &recorded.over_budget).await?;
        }
        Ok(())
    }

    /// A person's command: no budget, and no quarantine.
    pub(super) async fn revoke_by_hand(
        &mut self,
        credential: &str,
        reason: String,
    ) -> Result<Result<Accepted, RevokeError>, WorkerError> {
        let id = credential.to_owned();
        match self.shared.credential(credential).map(|c| c.revoke.is_some()) {
            None => return Ok(Err(RevokeError::Unknown { credential: id })),
            Some(false) => return Ok(Err(RevokeError::NoRevoker { credential: id })),
            Some(true) => {}
        }
        let row = NewRow {
            credential: id,
            agent: None,
            finding: None,
            reason,
            automatic: false,
            violation: self.shared.violation_now(),
            fingerprint: None,
        };
        let mut plan = Plan::default();
        plan.add(&self.shared, row);
        Ok(self.commit(plan).await?.map(|recorded| accepted(&recorded)).map_err(Into::into))
    }

    /// Writes the plan's decision, then queues its rows. A decision that cannot
    /// be written is kept and tried again; until then nobody is called.
    async fn commit(&mut self, plan: Plan) -> Result<Result<Recorded, OutboxError>, WorkerError> {
        let Plan { decision, secrets, .. } = plan;
        let recorded = match self.write(decision.clone()).await? {
            Ok(recorded) => recorded,
            Err(error) => {
                let what = "a decision could not be written down and is not carried out yet";
                self.teller.alert(None, format!("{what}: {error}"));
                // A person sees the error and asks again.
                if decision.rows.iter().all(|row| row.automatic) {
                    self.unfinished.decisions.push(decision);
                }
                return Ok(Err(error));
            }
        };
        self.carry_out(&recorded, secrets);
        Ok(Ok(recorded))
    }

    /// What is written down is told and queued.
    fn carry_out(&mut self, recorded: &Recorded, mut secrets: HashMap<String, SecretString>) {
        for row in &recorded.queued {
            let secret = secrets.remove(&row.credential);
            self.teller.row(row, "queued", format!("queued: {}", row.reason));
            self.enqueue(Try { row: row.clone(), secret, asked_before: false });
        }
        recorded.known.iter().for_each(|row| self.know(row));
        let storm = self.shared.storm();
        for credential in &recorded.over_budget {
            let (count, per) = (storm.revocations, storm.per);
            let message = format!("not revoked: the storm budget ({count} in {per:?}) is spent");
            self.teller.revocation(None, credential, "over-budget", message);
            self.teller.count(self.provider_of(credential), "over-budget", None);
        }
    }

    async fn write(
        &self,
        decision: Decision,
    ) -> Result<Result<Recorded, OutboxError>, WorkerError> {
        let shared = self.shared.clone();
        let job = move || shared.outbox.record(&decision, shared.storm(), clock::wall());
        Ok(spawn_blocking(job).await?)
    }

    /// The row was there before: nothing is revoked twice. One that waits is
    /// tried now.
    fn know(&mut self, row: &Row) {
        let message = format!("nothing to do: already {}", row.state.as_str());
        self.teller.row(row, "known", message);
        let waiting = self.due.keys().find(|(_, id)| *id == row.id).copied();
        if let Some(waiting) = waiting.and_then(|key| self.due.remove(&key)) {
            self.enqueue(waiting);
        }
    }

    fn enqueue(&mut self, tried: Try) {
        self.due.insert((Instant::now(), tried.row.id), tried);
    }

    /// Over the storm budget: quarantine and alert instead.
    async fn degrade(&mut self, finding: &Finding, over: &[String]) -> Result<(), WorkerError> {
        let (agent, storm) = (finding.agent.as_str(), self.shared.storm());
        let budget = format!("{} in {:?}", storm.revocations, storm.per);
        let count = over.len();
        self.teller.alert(
            Some(agent),
            format!("storm budget ({budget}) spent: {count} credentials of {agent} are not revoked, the agent is quarantined instead"),
        );
        if finding.steps.contains(&Step::Quarantine) {
            return Ok(());
        }
        self.cut_off(&finding.agent, finding.summary());
        let mut plan = Plan::default();
        plan.hold(agent, finding.summary());
        self.commit(plan).await.map(drop)
    }

    fn cut_off(&mut self, agent: &AgentName, reason: String) {
        match self.quarantine.quarantine(agent, &reason) {
            Ok(Cut::New) => self.teller.quarantined(agent.as_str(), reason),
            Ok(Cut::Already) => {}
            Err(error) => {
                self.teller
                    .alert(Some(agent.as_str()), format!("{error}; tried again every second"));
                self.unfinished.quarantines.push((agent.clone(), reason));
            }
        }
    }

    /// Tries again what could not be done; quiet while it still cannot.
    pub(super) async fn repair(&mut self) -> Result<(), WorkerError> {
        for (agent, reason) in std::mem::take(&mut self.unfinished.quarantines) {
            match self.quarantine.quarantine(&agent, &reason) {
                Ok(_) => self.teller.quarantined(agent.as_str(), reason),
                Err(_) => self.unfinished.quarantines.push((agent, reason)),
            }
        }
        for row in std::mem::take(&mut self.unfinished.rows) {
            if self.try_save(&row).await?.is_err() {
                self.unfinished.rows.push(row);
            }
        }
        for decision in std::mem::take(&mut self.unfinished.decisions) {
            match self.write(decision.clone()).await? {
                Ok(recorded) => self.carry_out(&recorded, HashMap::new()),
                Err(_) => self.unfinished.decisions.push(decision),
            }
        }
        Ok(())
    }

    pub(super) fn provider_of(&self, credential: &str) -> &'static str {
        provider(self.shared.credential(credential).and_then(|c| c.revoke.clone()).as_ref())
    }
}

fn accepted(recorded: &Recorded) -> Accepted {
    match recorded.known.first().map(|row| row.state) {
        Some(RowState::Confirmed) => Accepted::Revoked,
        Some(RowState::Pending | RowState::Dead) => Accepted::Pending,
        None => Accepted::Queued,
    }
}
