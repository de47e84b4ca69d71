//! Cut means cut: open sockets of who is cut off, and of who may reach less
//! than before, are destroyed, and both ends see it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use super::core::Core;
use super::judge::Judge;
use crate::agents::Cgroup;
use crate::events::{Event, EventKind};
use crate::policy::AgentName;
use crate::sockets::{self, Socket};

/// Sockets named in one event; the rest is a number.
const NAMED: usize = 5;

/// Destroys the sockets of each agent that is named to it, without end.
///
/// # Errors
/// Nobody can name any more.
pub(super) async fn run(
    core: Arc<Core>,
    mut orders: UnboundedReceiver<AgentName>,
) -> Result<(), String> {
    while let Some(first) = orders.recv().await {
        // One look at the host's sockets for all that are waiting.
        let mut agents = vec![first];
        while let Ok(next) = orders.try_recv() {
            agents.push(next);
        }
        let core = Arc::clone(&core);
        let done = spawn_blocking(move || all(&core, &agents)).await;
        done.map_err(|e| format!("destroy sockets: {e}"))?;
    }
    Err("nobody orders any more".to_owned())
}

/// Destroys every socket of agents that are cut off; gives how many. Blocks.
pub(super) fn all(core: &Core, agents: &[AgentName]) -> usize {
    let mut cgroups = core.cgroups();
    cgroups.retain(|cgroup| agents.contains(&cgroup.agent));
    end(core, &cgroups, "the agent is cut off", |_, _| true)
}

/// Destroys the connected sockets that the generation in force denies. `before`
/// are the cgroups that were bound under the one before: what nobody's policy
/// names any more is denied as a whole. Blocks.
pub(super) fn denied(core: &Core, before: Vec<Cgroup>) {
    let mut cgroups = core.cgroups();
    let bound = cgroups.len();
    let is_gone = |old: &Cgroup| cgroups.iter().all(|now| now.path != old.path);
    let gone: Vec<Cgroup> = before.into_iter().filter(is_gone).collect();
    cgroups.extend(gone);
    let mut judge = match Judge::open(&core.settings.bpf_dir) {
        Ok(judge) => judge,
        Err(error) => return complain(core, vec![error.to_string()]),
    };
    let why = "the policy in force does not allow them";
    end(core, &cgroups, why, |index, socket| {
        let denied = |judge: &mut Judge| judge.denial(&cgroups[index].agent, socket).is_some();
        socket.remote.is_some() && (index >= bound || denied(&mut judge))
    });
}

/// Destroys those sockets of some cgroups that `condemned` picks by the index
/// of the cgroup, and tells of it; gives how many.
fn end(
    core: &Core,
    cgroups: &[Cgroup],
    why: &str,
    condemned: impl FnMut(usize, &Socket) -> bool + Send,
) -> usize {
    let roots: Vec<PathBuf> = cgroups.iter().map(|c| core.mount.join(&c.path)).collect();
    let passing = core.kernel.let_resets_pass();
    let ended = sockets::end(&roots, condemned);
    drop(passing);
    complain(core, ended.problems);
    let count = ended.sockets.len();
    let mut of_agents: HashMap<&AgentName, Vec<Socket>> = HashMap::new();
    for (index, socket) in ended.sockets {
        of_agents.entry(&cgroups[index].agent).or_default().push(socket);
    }
    for (agent, sockets) in of_agents {
        tell(core, agent, why, &sockets);
    }
    count
}

/// So many open sockets, in words.
pub(super) fn counted(sockets: usize) -> String {
    if sockets == 1 { "1 open socket".to_owned() } else { format!("{sockets} open sockets") }
}

fn tell(core: &Core, agent: &AgentName, why: &str, sockets: &[Socket]) {
    let mut message = format!("{} destroyed, {why}: ", counted(sockets.len()));
    let named: Vec<String> = sockets.iter().take(NAMED).map(Socket::to_string).collect();
    message += &named.join(", ");
    if sockets.len() > NAMED {
        message += &format!(" and {} more", sockets.len() - NAMED);
    }
    core.publish(Event {
        sockets: u32::try_from(sockets.len()).ok(),
        policy_generation: core.kernel.generation(),
        ..Event::now(EventKind::Disconnected, message).of(agent.as_str())
    });
}

/// What stays open is denied packet by packet all the same.
fn complain(core: &Core, problems: Vec<String>) {
    for problem in problems {
        let message = format!("an open socket may not have been destroyed: {problem}");
        core.publish(Event::now(EventKind::Daemon, message));
    }
}
