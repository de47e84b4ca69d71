//! Once a second: are all links in place, was an alarm missed, what was lost.

use std::collections::HashMap;
use std::process;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::adopt::cgroup_of;
use super::core::Core;
use super::losses::Losses;
use super::pump;
use super::remembered::Keeper;
use super::sampling::Totals;
use crate::events::{Event, EventKind};
use crate::kernel::monotonic_ns;

const TICK: Duration = Duration::from_secs(1);

/// An alarm this old was not delivered: its ring gets the first chance, since
/// it knows the destination.
const MISSED_NS: u64 = 500_000_000;

/// What is remembered from one tick to the next.
struct Memory {
    totals: Totals,
    keeper: Keeper,
    losses: Losses,
    /// Whether the service manager has been told that we are ready: once.
    announced: bool,
    /// Whether enforcement was verified at the last look.
    verified: bool,
}

/// Ticks without end.
///
/// # Errors
/// A look at the kernel panicked.
pub(super) async fn run(core: Arc<Core>) -> Result<(), String> {
    let losses = Losses::now(&core).unwrap_or_default();
    let (totals, keeper) = (Totals::default(), Keeper::new());
    let mut memory = Memory { totals, keeper, losses, announced: false, verified: false };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looking = Arc::clone(&core);
        let look = spawn_blocking(move || {
            look(&looking, &mut memory);
            memory
        });
        memory = look.await.map_err(|e| format!("look at the kernel: {e}"))?;
    }
}

fn look(core: &Core, memory: &mut Memory) {
    links(core);
    if let Err(error) = core.kernel.keep_own_files(&core.policies.own_files()) {
        tracing::warn!("keep the enforcer's files from agents: {error}");
    }
    if let Err(error) = core.kernel.look_up_interfaces() {
        tracing::warn!("look up interfaces: {error}");
    }
    missed_alarms(core);
    memory.totals.look(core);
    memory.keeper.look(core);
    match Losses::now(core) {
        Ok(now) => {
            if let Some(event) = now.since(memory.losses) {
                core.publish(event);
            }
            memory.losses = now;
        }
        Err(error) => tracing::warn!("read what was lost: {error}"),
    }
    core.pulse.store(monotonic_ns(), Ordering::Relaxed);
    tell_service_manager(core, memory);
}

fn links(core: &Core) {
    // Judged like an agent, the daemon could not even look.
    let problems = misplaced(core).map_or_else(|| core.kernel.verify(), |moved| vec![moved]);
    if !core.proofs.note_host(problems.clone()) {
        return;
    }
    core.publish(if problems.is_empty() {
        Event::now(EventKind::Daemon, "all programs are attached again")
    } else {
        Event::now(EventKind::Tamper, problems.join("; "))
    });
}

/// Whoever can write to cgroups can have the daemon judged like an agent: it would
/// reach no provider.
fn misplaced(core: &Core) -> Option<String> {
    let own = cgroup_of(process::id())?;
    own.starts_with(&core.settings.root)
        .then(|| format!("the daemon was moved into /{}, where it is denied", own.display()))
}

/// Acts on quarantines whose alarm was lost, or came while no daemon ran.
fn missed_alarms(core: &Core) {
    let now = monotonic_ns();
    let seen: HashMap<_, _> = core.alarms().clone();
    for (agent, state) in core.kernel.quarantines() {
        let (name, at) = (agent.as_str(), state.at_ktime_ns);
        let fresh = at == 0 || now.saturating_sub(at) < MISSED_NS;
        if !state.by_tripwire || fresh || seen.get(name).is_some_and(|&last| last >= at) {
            continue;
        }
        match core.act.alarm_handled(name, at) {
            Ok(true) => {
                core.alarms().insert(name.to_owned(), at);
            }
            Ok(false) => pump::observe(core, alarm(name, at)),
            Err(error) => tracing::error!("alarm of agent {name}: {error}"),
        }
    }
}

fn alarm(agent: &str, ktime_ns: u64) -> Event {
    let message = "found in the kernel's tables: the alarm itself did not arrive";
    Event {
        verdict: Some("deny".to_owned()),
        reason: Some("quarantined".to_owned()),
        message: Some(message.to_owned()),
        ..Event::at(EventKind::Quarantined, ktime_ns).of(agent)
    }
}

/// What a change of readiness is about.
fn news(missing: &[String]) -> String {
    match missing {
        [] => "ready: every agent's enforcement is verified".to_owned(),
        missing => format!("not ready any more: {}", missing.join("; ")),
    }
}

/// The watchdog is fed only from here, where a hung daemon does not come by.
fn tell_service_manager(core: &Core, memory: &mut Memory) {
    let missing = core.not_ready();
    let status = match missing.first() {
        None => "enforcement is verified".to_owned(),
        Some(first) => format!("not ready: {first}"),
    };
    let mut states = vec![NotifyState::Watchdog, NotifyState::Status(&status)];
    if missing.is_empty() && !memory.announced {
        memory.announced = true;
        states.push(NotifyState::Ready);
    }
    if missing.is_empty() != memory.verified {
        memory.verified = missing.is_empty();
        core.publish(Event::now(EventKind::Daemon, news(&missing)));
    }
    if let Err(error) = sd_notify::notify(&states) {
        tracing::debug!("tell the service manager: {error}");
    }
}
