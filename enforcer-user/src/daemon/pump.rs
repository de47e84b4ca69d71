//! From the rings to events, to findings. Alarms go first: an alarm is an agent
//! that the kernel has already cut off, and its credentials are still alive.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aya::maps::{MapData, RingBuf};
use enforcer_common::Record;
use tokio::io::unix::AsyncFd;

use super::core::Core;
use crate::events::{self, Event, EventKind};
use crate::kernel::Rings;
use crate::policy::AgentName;

/// Records taken before alarms are looked at again.
const BATCH: usize = 64;

type Ring = AsyncFd<RingBuf<MapData>>;

/// Reads both rings without end.
///
/// # Errors
/// A ring cannot be waited for.
pub(super) async fn run(core: Arc<Core>, rings: Rings) -> Result<(), String> {
    let (mut alarms, mut records) = (watched(rings.alarms)?, watched(rings.records)?);
    loop {
        tokio::select! {
            biased;
            drained = drain(&core, &mut alarms) => drained?,
            drained = drain(&core, &mut records) => drained?,
        }
        // A flood must not starve the other tasks of this thread.
        tokio::task::yield_now().await;
    }
}

fn watched(ring: RingBuf<MapData>) -> Result<Ring, String> {
    // SAFETY: a ring buffer owns its map's descriptor and closes it only when
    // dropped; the watch owns the ring and never gives it out.
    let watched = unsafe { AsyncFd::register(ring) };
    watched.map_err(|e| format!("watch a ring buffer: {e}"))
}

/// Waits for a ring and takes one batch from it.
async fn drain(core: &Core, ring: &mut Ring) -> Result<(), String> {
    let mut ready = ring.readable_mut().await.map_err(|e| format!("wait for records: {e}"))?;
    for _ in 0..BATCH {
        let Some(record) = ready.get_inner_mut().next() else {
            ready.clear_ready();
            return Ok(());
        };
        note(core, &record);
    }
    Ok(())
}

/// One record's way to the correlator.
fn note(core: &Core, record: &[u8]) {
    // What the self-check provokes where nobody's policy holds is no news.
    let canary = core.canary.load(Ordering::Relaxed);
    if Record::from_bytes(record).is_some_and(|r| r.cgroup_id == canary && canary != 0) {
        return;
    }
    match events::decode(record, core) {
        Ok(event) => observe(core, event),
        Err(error) => {
            // One event a second tells of them; see `losses`.
            core.malformed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("{error}");
        }
    }
}

/// Publishes an event of the kernel's and acts on what follows from it. What
/// must be done goes out before people's details are looked up.
pub(super) fn observe(core: &Core, mut event: Event) {
    if event.kind == EventKind::Quarantined && !is_news(core, &event) {
        return;
    }
    if event.kind == EventKind::Quarantined {
        disconnect(core, &event);
    }
    let findings = core.correlator().observe(&event);
    for finding in findings {
        core.act_on(finding);
    }
    if event.kind == EventKind::Connected {
        let mut used = core.used();
        used.extend(event.credentials.iter().map(|c| (c.clone(), event.time)));
    }
    if let Some(process) = &mut event.process {
        process.exe = events::exe_of(process.pid, event.ktime_ns);
    }
    core.publish(event);
}

/// The kernel has cut the agent off; its open sockets are left to us.
fn disconnect(core: &Core, alarm: &Event) {
    let agent = alarm.agent.as_deref().and_then(|name| AgentName::parse(name).ok());
    if let Some(agent) = agent {
        // The receiver's end ends the daemon; the next one disconnects.
        drop(core.disconnect.send(agent));
    }
}

/// An alarm can come twice: over the ring, and by the look at the tables.
fn is_news(core: &Core, event: &Event) -> bool {
    let Some(agent) = &event.agent else { return true };
    let mut alarms = core.alarms();
    let last = alarms.insert(agent.clone(), event.ktime_ns);
    last.is_none_or(|last| last < event.ktime_ns)
}
