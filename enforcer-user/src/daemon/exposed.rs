//! The daemon's state for a scrape.

use super::core::Core;
use super::losses::Losses;
use super::show;
use crate::events::EventKind;
use crate::kernel::AgentCounters;
use crate::metrics::{CounterRow, CredentialRow, Exposed, MapRow, Snapshot, UNASSIGNED};
use crate::policy::Credential;

impl Exposed for Core {
    fn metrics(&self) -> Result<String, String> {
        let snapshot = snapshot(self)?;
        self.metrics.text(&snapshot).map_err(|e| e.to_string())
    }

    fn alive(&self) -> bool {
        self.alive()
    }

    fn not_ready(&self) -> Vec<String> {
        self.not_ready()
    }
}

fn snapshot(core: &Core) -> Result<Snapshot, String> {
    let in_force = core.policies.in_force();
    let cut_off: Vec<_> = core.kernel.quarantines().into_iter().map(|(agent, _)| agent).collect();
    let of_each = |is: &dyn Fn(&crate::policy::AgentName) -> bool| {
        in_force.agents().map(|agent| (agent.to_string(), is(agent))).collect::<Vec<_>>()
    };
    Ok(Snapshot {
        counters: core.kernel.counters().map_err(|e| e.to_string())?.iter().map(row).collect(),
        quarantined: of_each(&|agent| cut_off.contains(agent)),
        verified: of_each(&|agent| core.proofs.verified(agent)),
        maps: maps(core),
        credentials: in_force.inventory.credentials.iter().map(|c| times(core, c)).collect(),
        generation: core.kernel.generation(),
        events: EventKind::ALL.iter().map(|&k| (k.as_str(), core.hub.count(k))).collect(),
        lost: Losses::now(core)?.by_cause().to_vec(),
        sinks: core.sinks.iter().map(|sink| sink.view()).collect(),
        revocations_pending: core.act.counts().map_err(|e| e.to_string())?.pending,
    })
}

fn row(counters: &AgentCounters) -> CounterRow {
    CounterRow {
        agent: counters.agent.as_ref().map_or(UNASSIGNED, |a| a.as_str()).to_owned(),
        reason: counters.reason,
        audited: counters.audited,
        packets: counters.packets,
        bytes: counters.bytes,
        connections: counters.connections,
        sockets: counters.sockets,
    }
}

fn maps(core: &Core) -> Vec<MapRow> {
    let tables = core.kernel.occupancy().into_iter();
    tables.map(|t| MapRow { map: t.map, entries: t.entries, capacity: t.capacity }).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds are exact in an f64 for longer than needed"
)]
fn times(core: &Core, credential: &Credential) -> CredentialRow {
    let used = core.used().get(credential.id.as_str()).copied();
    CredentialRow {
        credential: credential.id.to_string(),
        age_seconds: show::age(credential).map(|age| age as f64),
        last_activity: used.map(|at| at.unix_timestamp() as f64),
        expiry: credential.expires.map(|at| at.unix_timestamp() as f64),
    }
}
