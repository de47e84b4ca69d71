//! From a finding or a command to a decision: which rows it asks for.

use std::collections::HashMap;

use secrecy::SecretString;

use crate::act::clock;
use crate::act::outbox::{Decision, Hold, Incident, NewRow, Violation};
use crate::act::shared::Shared;
use crate::correlate::Finding;
use crate::policy::Step;

/// A decision to be written, and what goes with it.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) decision: Decision,
    /// Secrets of its rows, just read, by credential.
    pub(super) secrets: HashMap<String, SecretString>,
    /// Credentials that cannot be revoked.
    pub(super) without_revoker: Vec<String>,
}

// === impl Plan ===

impl Plan {
    /// What the finding's quarantine and revoke steps ask for. Reads secrets.
    pub(super) fn of(shared: &Shared, finding: &Finding) -> Self {
        let agent = finding.agent.as_str().to_owned();
        let boot_id = shared.boot_id.clone();
        let mut plan = Self::default();
        if finding.steps.contains(&Step::Quarantine) {
            plan.hold(&agent, finding.summary());
        }
        if finding.alarm {
            let incident = Incident { agent, boot_id, ktime_ns: finding.ktime_ns };
            plan.decision.incident = Some(incident);
        }
        if finding.steps.contains(&Step::Revoke) {
            for credential in &finding.credentials {
                plan.add(shared, asked(shared, finding, credential.as_str()));
            }
        }
        plan
    }

    pub(super) fn hold(&mut self, agent: &str, reason: String) {
        self.decision.hold = Some(Hold { agent: agent.into(), reason, since: clock::wall() });
    }

    /// Adds a row for a credential of the inventory. An unreadable secret does
    /// not keep the row out: it is tried until it can be read.
    pub(super) fn add(&mut self, shared: &Shared, mut row: NewRow) {
        let credential = shared.credential(&row.credential);
        let Some(credential) = credential.filter(|c| c.revoke.is_some()) else {
            self.without_revoker.push(row.credential);
            return;
        };
        match shared.secret(&credential) {
            Ok((secret, fingerprint)) => {
                row.fingerprint = Some(fingerprint);
                self.secrets.insert(row.credential.clone(), secret);
            }
            Err(error) => tracing::error!(credential = row.credential, "{error}"),
        }
        self.decision.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        let Decision { hold, incident, rows } = &self.decision;
        hold.is_none() && incident.is_none() && rows.is_empty()
    }
}

fn asked(shared: &Shared, finding: &Finding, credential: &str) -> NewRow {
    NewRow {
        credential: credential.into(),
        agent: Some(finding.agent.as_str().into()),
        finding: Some(finding.id),
        reason: finding.summary(),
        automatic: true,
        violation: Violation {
            ktime_ns: finding.ktime_ns,
            boot_id: shared.boot_id.clone(),
            time: finding.evidence.last,
        },
        fingerprint: None,
    }
}
