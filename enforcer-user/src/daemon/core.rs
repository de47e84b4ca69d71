//! What the daemon's tasks share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::policies::Policies;
use super::proofs::Proofs;
use crate::act::Act;
use crate::agents::Cgroup;
use crate::audit::{Audit, SinkStatus};
use crate::compile::{Plan, RuleInfo};
use crate::config::Settings;
use crate::correlate::{Correlator, Finding};
use crate::events::{Event, EventHub, EventKind, Names};
use crate::kernel::{Kernel, monotonic_ns};
use crate::metrics::Metrics;
use crate::policy::AgentName;

/// A daemon whose tick is older than this is not alive.
const PULSE: Duration = Duration::from_secs(10);

/// The daemon's state. Every lock in it is held for moments only.
pub(super) struct Core {
    pub(super) settings: Settings,
    /// The cgroup2 mount.
    pub(super) mount: PathBuf,
    pub(super) kernel: Arc<Kernel>,
    pub(super) act: Act,
    pub(super) audit: Audit,
    /// How far those are who pass the trail on.
    pub(super) sinks: Vec<Arc<SinkStatus>>,
    /// Pins of an earlier daemon were taken over.
    pub(super) adopted: bool,
    pub(super) started: OffsetDateTime,
    pub(super) hub: EventHub,
    pub(super) metrics: Metrics,
    pub(super) policies: Policies,
    pub(super) proofs: Proofs,
    /// The agents' cgroups as they are bound.
    pub(super) cgroups: RwLock<Vec<Cgroup>>,
    pub(super) correlator: Mutex<Correlator>,
    /// When traffic that uses a credential was last seen.
    pub(super) used: Mutex<HashMap<String, OffsetDateTime>>,
    /// The newest alarm of each agent that was acted on, by kernel time.
    pub(super) alarms: Mutex<HashMap<String, u64>>,
    /// The cgroup in which the self-check proves that nobody's are denied.
    pub(super) canary: AtomicU64,
    /// Names agents whose open sockets are to be destroyed.
    pub(super) disconnect: UnboundedSender<AgentName>,
    /// Wakes the self-check.
    pub(super) check_now: Notify,
    /// Enforcement was removed on request: the daemon ends when that is told.
    pub(super) detached: AtomicBool,
    /// Ends the daemon.
    pub(super) end: Notify,
    /// `CLOCK_MONOTONIC` of the last tick.
    pub(super) pulse: AtomicU64,
    /// Records that could not be decoded.
    pub(super) malformed: AtomicU64,
}

// === impl Core ===

impl Core {
    /// Numbers an event and hands it to everybody, the log included.
    pub(super) fn publish(&self, event: Event) {
        log(&self.tell(event));
    }

    /// As [`Core::publish`], for what the log has been told already. Allowed
    /// connections are traffic: they are not written into the audit trail.
    pub(super) fn tell(&self, event: Event) -> Arc<Event> {
        let event = self.hub.publish(event);
        if event.kind != EventKind::Connected {
            self.audit.append(&event);
        }
        event
    }

    /// The agents' cgroups as they are bound.
    pub(super) fn cgroups(&self) -> Vec<Cgroup> {
        self.cgroups.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The correlator; its state is whole between two events.
    pub(super) fn correlator(&self) -> MutexGuard<'_, Correlator> {
        self.correlator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When traffic that uses a credential was last seen.
    pub(super) fn used(&self) -> MutexGuard<'_, HashMap<String, OffsetDateTime>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest alarm of each agent that was acted on.
    pub(super) fn alarms(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a finding to the worker.
    pub(super) fn act_on(&self, finding: Finding) {
        let agent = finding.agent.to_string();
        if !self.act.handle(finding) {
            // The worker's end ends the daemon; the next one finds the alarm.
            self.publish(Event::now(EventKind::Daemon, "nobody acts on a finding").of(agent));
        }
    }

    /// Whether the loops make progress.
    pub(super) fn alive(&self) -> bool {
        let since = monotonic_ns().saturating_sub(self.pulse.load(Ordering::Relaxed));
        u128::from(since) < PULSE.as_nanos()
    }

    /// What is in the way of being ready, one sentence each.
    pub(super) fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.proofs.missing();
        if let Some(refusal) = self.policies.refusal() {
            let first = refusal.lines().next().unwrap_or_default();
            if self.policies.in_force().inventory.policies.is_empty() {
                reasons.push(format!("no policies could be loaded: {first}"));
            }
        }
        reasons
    }
}

/// Puts a plan in force, to which `bindings` (cgroup ids and their agents)
/// belong; the refusal is for people.
pub(super) fn apply(
    kernel: &Kernel,
    plan: &Plan,
    bindings: &[(u64, AgentName)],
) -> Result<u32, String> {
    kernel.apply(plan, bindings).map_err(|error| match error.hint() {
        Some(hint) => format!("error: {error}\nhint: {hint}"),
        None => format!("error: {error}"),
    })
}

impl Names for Core {
    fn agent(&self, slot: u32, generation: u32) -> Option<String> {
        self.kernel.agent(slot, generation).map(|name| name.as_str().to_owned())
    }

    fn rule(&self, policy_id: u32, rule: u32) -> Option<RuleInfo> {
        self.kernel.rule(policy_id, rule)
    }
}

/// What concerns the enforcement itself is for the journal; flows are for
/// those who ask for events.
fn log(event: &Event) {
    let agent = event.agent.as_deref().unwrap_or("-");
    let message = event.message.as_deref().unwrap_or_default();
    match event.kind {
        EventKind::Denied
        | EventKind::WouldDeny
        | EventKind::RateLimited
        | EventKind::Connected => {
            tracing::debug!(agent, seq = event.seq, "{}", event.kind.as_str())
        }
        EventKind::Quarantined | EventKind::Disconnected | EventKind::Tamper | EventKind::Lost => {
            tracing::warn!(agent, "{}: {message}", event.kind.as_str());
        }
        EventKind::Adopted
        | EventKind::Released
        | EventKind::Revocation
        | EventKind::Policy
        | EventKind::Daemon => {
            tracing::info!(agent, "{}: {message}", event.kind.as_str());
        }
    }
}
