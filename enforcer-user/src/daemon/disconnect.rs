//! Cut means cut: open sockets of who is cut off, and of who may reach less
//! than before, are destroyed, and both ends see it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use enforcer_common::{Hook, Verdict};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use super::core::Core;
use crate::agents::Cgroup;
use crate::events::{Event, EventKind};
use crate::kernel::Pins;
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
    while let Some(agent) = orders.recv().await {
        let core = Arc::clone(&core);
        let done = spawn_blocking(move || all(&core, &agent)).await;
        done.map_err(|e| format!("destroy sockets: {e}"))?;
    }
    Err("nobody orders any more".to_owned())
}

/// Destroys every socket of an agent that is cut off; gives how many. Blocks.
pub(super) fn all(core: &Core, agent: &AgentName) -> usize {
    let cgroups: Vec<Cgroup> = core.cgroups().into_iter().filter(|c| c.agent == *agent).collect();
    let roots: Vec<PathBuf> = cgroups.iter().map(|c| core.mount.join(&c.path)).collect();
    let passing = core.kernel.let_resets_pass();
    let ended = sockets::end(&roots, |_, _| true);
    drop(passing);
    complain(core, ended.problems);
    let sockets: Vec<Socket> = ended.sockets.into_iter().map(|(_, socket)| socket).collect();
    tell(core, agent, "the agent is cut off", &sockets);
    sockets.len()
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
    let mut judge = match Pins::open(&core.settings.bpf_dir) {
        Ok(pins) => Judge { pins, known: HashMap::new() },
        Err(error) => return complain(core, vec![error.to_string()]),
    };
    let roots: Vec<PathBuf> = cgroups.iter().map(|c| core.mount.join(&c.path)).collect();
    let passing = core.kernel.let_resets_pass();
    let ended = sockets::end(&roots, |root, socket| {
        socket.remote.is_some() && (root >= bound || judge.denies(&cgroups[root].agent, socket))
    });
    drop(passing);
    complain(core, ended.problems);
    let mut of_agents: HashMap<AgentName, Vec<Socket>> = HashMap::new();
    for (root, socket) in ended.sockets {
        of_agents.entry(cgroups[root].agent.clone()).or_default().push(socket);
    }
    for (agent, sockets) in of_agents {
        tell(core, &agent, "the policy in force does not allow them", &sockets);
    }
}

/// Asks the tables in force, once for each destination.
struct Judge {
    pins: Pins,
    known: HashMap<(AgentName, u8, SocketAddr), bool>,
}

// === impl Judge ===

impl Judge {
    /// Whether the agent's packets on this socket would be denied. An agent
    /// that the tables do not know may send nothing.
    fn denies(&mut self, agent: &AgentName, socket: &Socket) -> bool {
        let (Some(flow), Some(remote)) = (socket.flow(), socket.remote) else { return false };
        let key = (agent.clone(), flow.protocol.0, remote);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        // A hook that charges no cap: an exhausted one is no reason to cut.
        let found = self.pins.explain(agent.as_str(), Hook::Sendmsg6, &flow);
        let denies = found.map_or(true, |found| found.decision.verdict == Verdict::Deny);
        self.known.insert(key, denies);
        denies
    }
}

/// So many open sockets, in words.
pub(super) fn counted(sockets: usize) -> String {
    if sockets == 1 { "1 open socket".to_owned() } else { format!("{sockets} open sockets") }
}

fn tell(core: &Core, agent: &AgentName, why: &str, sockets: &[Socket]) {
    if sockets.is_empty() {
        return;
    }
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
