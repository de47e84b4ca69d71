//! The daemon's state in the words of the control protocol.

use std::collections::HashMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::core::Core;
use super::losses::Losses;
use super::protocol::{AgentStatus, CredentialStatus, Reply, Status};
use crate::act::CredentialState;
use crate::agents::processes;
use crate::events::wall_clock;
use crate::kernel::AgentCounters;
use crate::policy::{Credential, CredentialKind, Mode, Policy};

const DAY: i64 = 86_400;

/// How the daemon is.
pub(super) fn status(core: &Core) -> Reply {
    let not_ready = core.not_ready();
    let counts = core.act.counts().unwrap_or_default();
    let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Reply::Status(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: not_ready.is_empty(),
        not_ready,
        started: core.started,
        adopted: core.adopted,
        generation: core.kernel.generation(),
        reload_error: core.policies.refusal(),
        root: core.kernel.paths().root.display().to_string(),
        lsm: core.kernel.security_hooks(),
        unix_sockets: core.kernel.unix_sockets().to_owned(),
        escape_watch: core.kernel.layer().watch(),
        agents: narrow(core.policies.in_force().inventory.policies.len() as u64),
        quarantined: narrow(core.kernel.quarantines().len() as u64),
        revocations_pending: narrow(counts.pending),
        revocations_dead: narrow(counts.dead),
        records_lost: Losses::now(core).map_or(0, |losses| losses.ring_full),
    })
}

/// Every agent, by name.
pub(super) fn agents(core: &Core) -> Reply {
    let counters = match core.kernel.counters() {
        Ok(counters) => counters,
        Err(error) => return Reply::Failed { message: error.to_string(), hint: None },
    };
    let violations: HashMap<_, _> = core.kernel.violations().into_iter().collect();
    let quarantines = quarantines(core);
    let in_force = core.policies.in_force();
    let mut agents: Vec<_> = in_force
        .inventory
        .policies
        .iter()
        .map(|policy| {
            let own = counters.iter().filter(|c| c.agent.as_ref() == Some(&policy.agent));
            AgentStatus {
                quarantine: quarantines.get(policy.agent.as_str()).cloned(),
                violations: violations.get(&policy.agent).copied().unwrap_or_default(),
                ..agent(core, policy, &own.collect::<Vec<_>>())
            }
        })
        .collect();
    agents.sort_by(|a, b| a.agent.cmp(&b.agent));
    Reply::Agents { agents }
}

fn agent(core: &Core, policy: &Policy, counters: &[&AgentCounters]) -> AgentStatus {
    let cgroups = core.cgroups();
    let own: Vec<_> = cgroups.iter().filter(|c| c.agent == policy.agent).collect();
    let in_force = core.policies.in_force();
    let held = in_force.inventory.credentials.iter().filter(|c| c.agents.contains(&policy.agent));
    let is_allowed = |c: &&&AgentCounters| c.reason == enforcer_common::Reason::Rule;
    let is_denied = |c: &&&AgentCounters| {
        !c.audited && !is_allowed(c) && c.reason != enforcer_common::Reason::Canary
    };
    AgentStatus {
        agent: policy.agent.to_string(),
        mode: mode(policy.mode).to_owned(),
        cgroups: own.iter().map(|c| c.path.display().to_string()).collect(),
        processes: own.iter().map(|c| processes(&core.mount.join(&c.path))).sum(),
        quarantine: None,
        verified: core.proofs.verified(&policy.agent),
        packets_allowed: counters.iter().filter(is_allowed).map(|c| c.packets).sum(),
        denied: counters
            .iter()
            .filter(is_denied)
            .map(|c| c.packets + c.connections + c.sockets)
            .sum(),
        violations: 0,
        credentials: held.map(|c| c.id.to_string()).collect(),
        policy: policy.location.file.display().to_string(),
    }
}

/// Why each quarantined agent is.
fn quarantines(core: &Core) -> HashMap<String, String> {
    let holds = core.act.quarantines().unwrap_or_default();
    let why = |agent: &str| holds.iter().find(|h| h.agent == agent).map(|h| h.reason.clone());
    let text = |agent: &str, by_tripwire: bool, at: u64| match (why(agent), by_tripwire) {
        (Some(reason), _) => reason,
        (None, true) => format!("tripwire, at {}", wall_clock(at)),
        (None, false) => format!("by the daemon, at {}", wall_clock(at)),
    };
    let all = core.kernel.quarantines().into_iter();
    all.map(|(agent, q)| {
        let reason = text(agent.as_str(), q.by_tripwire, q.at_ktime_ns);
        (agent.to_string(), reason)
    })
    .collect()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Audit => "audit",
    }
}

/// Every credential, by id.
pub(super) fn credentials(core: &Core) -> Reply {
    let in_force = core.policies.in_force();
    let shown = in_force.inventory.credentials.iter().map(|c| credential(core, c));
    let mut credentials: Vec<_> = shown.collect();
    credentials.sort_by(|a, b| a.credential.cmp(&b.credential));
    Reply::Credentials { credentials }
}

fn credential(core: &Core, credential: &Credential) -> CredentialStatus {
    let id = credential.id.as_str();
    let age = age(credential);
    // Unreadable is not healthy: shown as what a person must look at.
    let state = core.act.state(id).unwrap_or(CredentialState::RevocationFailed);
    CredentialStatus {
        credential: id.to_owned(),
        agents: credential.agents.iter().map(ToString::to_string).collect(),
        kind: kind(credential.kind).to_owned(),
        state: state.as_str().to_owned(),
        age_seconds: age,
        rotate_in_days: age.map(|age| (seconds(credential.rotate_every) - age).div_euclid(DAY)),
        expires: credential.expires,
        last_used: core.used().get(id).copied(),
        revoker: credential.revoke.as_ref().map(|r| r.as_str().to_owned()),
    }
}

/// Seconds since the beginning of the day of issue, UTC.
pub(super) fn age(credential: &Credential) -> Option<i64> {
    let issued = credential.issued?.midnight().assume_utc();
    Some((OffsetDateTime::now_utc() - issued).whole_seconds())
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::OAuth2 => "oauth2",
        CredentialKind::ApiKey => "api-key",
        CredentialKind::Lease => "lease",
        CredentialKind::ServiceAccount => "service-account",
    }
}

/// What a rule id of a policy means.
pub(super) fn rule(core: &Core, policy_id: u32, rule: u32) -> Reply {
    let info = core.kernel.rule(policy_id, rule);
    let at = info.as_ref().and_then(|info| info.location.as_ref());
    let location = at.map(|at| format!("{}:{}", at.file.display(), at.line));
    Reply::Rule { location, text: info.map(|info| info.text) }
}
