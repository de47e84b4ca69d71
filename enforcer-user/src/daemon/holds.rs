//! Quarantines: kept on disk, set in the kernel, told to people.

use time::OffsetDateTime;

use super::core::Core;
use super::disconnect;
use crate::act::outbox::Hold;
use crate::events::{Event, EventKind};
use crate::kernel::KernelError;
use crate::policy::AgentName;

/// Sets every quarantine that the disk remembers. An agent without a policy
/// has no place in the kernel, and is denied anyway.
pub(super) fn reapply(core: &Core) {
    let holds = match core.act.quarantines() {
        Ok(holds) => holds,
        Err(error) => {
            let message = format!("quarantines could not be read from disk: {error}");
            core.publish(Event::now(EventKind::Daemon, message));
            return;
        }
    };
    for hold in holds {
        let Ok(agent) = AgentName::parse(&hold.agent) else { continue };
        match core.kernel.quarantine(&agent) {
            Ok(true) => {
                let message = format!("in force again since a restart: {}", hold.reason);
                core.publish(Event::now(EventKind::Quarantined, message).of(hold.agent));
            }
            Ok(false) | Err(KernelError::UnknownAgent(_)) => {}
            Err(error) => {
                let message = format!("quarantine could not be set again: {error}");
                core.publish(Event::now(EventKind::Daemon, message).of(hold.agent));
            }
        }
    }
}

/// Cuts an agent off on a person's word; in the kernel first, then on disk.
/// Whether it was free until now, and how many open sockets it lost.
///
/// # Errors
/// No such agent, or it will not be remembered; it is cut off nonetheless.
pub(super) fn quarantine(
    core: &Core,
    agent: &AgentName,
    reason: &str,
) -> Result<(bool, usize), String> {
    let newly = core.kernel.quarantine(agent).map_err(|e| e.to_string())?;
    let hold = Hold {
        agent: agent.to_string(),
        reason: reason.to_owned(),
        since: OffsetDateTime::now_utc(),
    };
    if newly {
        let message = format!("by hand: {reason}");
        core.publish(Event::now(EventKind::Quarantined, message).of(agent.as_str()));
    }
    let sockets = disconnect::all(core, std::slice::from_ref(agent));
    core.act
        .put_quarantine(&hold)
        .map_err(|e| format!("{agent} is cut off, but a reboot will let it back: {e}"))?;
    Ok((newly, sockets))
}

/// Lets an agent back; on disk first, so that no restart cuts it off again.
/// Whether it was cut off; its violations are forgiven in any case.
///
/// # Errors
/// No such agent, or the disk refuses; then it stays cut off.
pub(super) fn release(core: &Core, agent: &AgentName) -> Result<bool, String> {
    core.act.remove_quarantine(agent.as_str()).map_err(|e| e.to_string())?;
    core.correlator().release(agent.as_str());
    let was_cut_off = core.kernel.release(agent).map_err(|e| e.to_string())?;
    let how = if was_cut_off { "by hand" } else { "by hand, though it was not cut off" };
    core.publish(Event::now(EventKind::Released, how).of(agent.as_str()));
    Ok(was_cut_off)
}
