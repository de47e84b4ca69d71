//! Keeps the kernel's table of cgroups true to the hierarchy.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::core::Core;
use crate::agents::{Cgroup, Of, Scan, Watch, scan};
use crate::events::{Event, EventKind};
use crate::policy::AgentName;

/// A look without a reason, should a notice have been lost.
const LOOK: Duration = Duration::from_secs(5);

/// Binds cgroups as they come and go.
///
/// # Errors
/// The enforced root cannot be watched.
pub(super) async fn run(core: Arc<Core>) -> Result<(), String> {
    let root = core.kernel.paths().root.clone();
    let mut watch = Watch::new(Of::Folders).map_err(|e| format!("watch cgroups: {e}"))?;
    watch.add(&root).map_err(|e| format!("watch {}: {e}", root.display()))?;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = HashSet::new();
    loop {
        tokio::select! {
            () = watch.changed() => {}
            _ = looks.tick() => {}
        }
        for problem in rebind(&core) {
            if known.insert(problem.clone()) {
                core.publish(Event::now(EventKind::Daemon, problem));
            }
        }
    }
}

/// Cgroups' ids and agents, as the kernel is told.
pub(super) fn bindings(cgroups: &[Cgroup]) -> Vec<(u64, AgentName)> {
    cgroups.iter().map(|c| (c.id, c.agent.clone())).collect()
}

/// Looks which cgroups exist and tells the kernel whose they are; gives what
/// went wrong. A cgroup that is not bound is denied.
pub(super) fn rebind(core: &Core) -> Vec<String> {
    // One at a time, and the claims are read inside: an older look must not
    // overwrite a newer one, nor come between a generation and its claims.
    let mut bound = core.cgroups.write().unwrap_or_else(PoisonError::into_inner);
    let in_force = core.policies.in_force();
    // Without policies of our own the bindings of the daemon before us stand.
    if core.adopted && in_force.inventory.policies.is_empty() && core.policies.refusal().is_some() {
        return Vec::new();
    }
    let Scan { cgroups, mut problems } =
        scan(&core.mount, &core.settings.root, &in_force.claims, &bound);
    if let Err(error) = core.kernel.bind(&bindings(&cgroups)) {
        problems.push(format!("bind cgroups: {error}"));
    }
    if *bound != cgroups {
        core.proofs.expect(&cgroups);
        *bound = cgroups;
        core.check_now.notify_one();
    }
    problems
}
