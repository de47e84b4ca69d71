//! New policies: on SIGHUP, on request, and when a file changes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::binding::{bindings, rebind};
use super::core::{self, Core};
use super::{disconnect, holds};
use crate::act::secret::resolve;
use crate::agents::{Of, Watch, scan};
use crate::events::{Event, EventKind};
use crate::policy::Inventory;

/// Editors write in several steps; so long there must have been none.
const QUIET: Duration = Duration::from_millis(300);

/// How often is looked for changes of which no notice comes.
const LOOK: Duration = Duration::from_secs(1);

/// Reloads whenever there is a reason to.
///
/// # Errors
/// Signals or files cannot be watched.
pub(super) async fn run(core: Arc<Core>) -> Result<(), String> {
    let mut hangup = signal(SignalKind::hangup()).map_err(|e| format!("wait for SIGHUP: {e}"))?;
    let mut watch = Watch::new(Of::Files).map_err(|e| format!("watch files: {e}"))?;
    loop {
        // Anew each time: a folder that was replaced is another one.
        watch_folders(&core, &mut watch);
        tokio::select! {
            _ = hangup.recv() => {}
            () = watch.settled(QUIET) => {}
            () = unnoticed(&core) => {}
        }
        let reloading = Arc::clone(&core);
        // The outcome is an event, a metric and part of the status.
        let done = spawn_blocking(move || reload(&reloading).map(drop).unwrap_or_default()).await;
        done.map_err(|e| format!("reload: {e}"))?;
    }
}

fn watch_folders(core: &Core, watch: &mut Watch) {
    for folder in core.policies.folders() {
        if let Err(error) = watch.add(&folder) {
            tracing::debug!("watch {}: {error}", folder.display());
        }
    }
}

/// Waits until the files are others than those that were last read, and stay so
/// from one look to the next: whoever writes them is done.
async fn unnoticed(core: &Arc<Core>) {
    let mut before = None;
    loop {
        sleep(LOOK).await;
        let looking = Arc::clone(core);
        let look = spawn_blocking(move || {
            let files = looking.policies.look();
            looking.policies.is_news(&files).then_some(files)
        });
        let news = look.await.unwrap_or_default();
        if news.is_some() && news == before {
            return;
        }
        before = news;
    }
}

/// Reads the files anew and puts them in force, or leaves all as it is; gives
/// the generation in force. Blocks.
///
/// # Errors
/// Why the files were refused, for people.
pub(super) fn reload(core: &Core) -> Result<u32, String> {
    let replaced = replace(core);
    match &replaced {
        Ok(generation) => put_in_force(core, *generation),
        Err(error) => {
            core.metrics.reload_failed();
            // What was to change hands stays where it was.
            rebind_and_tell(core);
            refused(core, error);
        }
    }
    replaced
}

/// Nobody binds cgroups between a generation and its claims.
fn replace(core: &Core) -> Result<u32, String> {
    let mut no_binding = None;
    core.policies.replace(|new, plan| {
        let bound = core.cgroups.write().unwrap_or_else(PoisonError::into_inner);
        let found = scan(&core.mount, &core.settings.root, &new.claims, &bound);
        no_binding = Some(bound);
        core::apply(&core.kernel, plan, &bindings(&found.cgroups))
    })
}

fn rebind_and_tell(core: &Core) {
    for problem in rebind(core) {
        core.publish(Event::now(EventKind::Daemon, problem));
    }
}

/// Tells everybody of the generation that was just applied.
pub(super) fn put_in_force(core: &Core, generation: u32) {
    let in_force = core.policies.in_force();
    let inventory = &in_force.inventory;
    core.correlator().update(&inventory.policies, &inventory.credentials);
    core.act.update(inventory.credentials.clone(), in_force.settings.storm_budget);
    // Before any cgroup is bound: nothing opens for who is cut off.
    holds::reapply(core);
    let before = core.cgroups();
    rebind_and_tell(core);
    disconnect::denied(core, before);
    unreadable_secrets(core, inventory);
    let count = inventory.policies.len();
    let message = format!("generation {generation} is in force: {count} policies");
    core.publish(Event { policy_generation: generation, ..Event::now(EventKind::Policy, message) });
}

/// Says which credentials could not be revoked: better known now than then.
fn unreadable_secrets(core: &Core, inventory: &Inventory) {
    for credential in &inventory.credentials {
        if let Err(error) = resolve(&credential.secret) {
            let message = format!("credential {} could not be revoked: {error}", credential.id);
            core.publish(Event::now(EventKind::Daemon, message));
        }
    }
}

/// Tells everybody that the files were refused.
pub(super) fn refused(core: &Core, error: &str) {
    let generation = core.kernel.generation();
    let message = format!("refused, generation {generation} stays in force:\n{error}");
    core.publish(Event { policy_generation: generation, ..Event::now(EventKind::Policy, message) });
}
