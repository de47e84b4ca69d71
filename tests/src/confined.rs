//! An agent behind the layers that stand beside the cgroup programs.

use std::process::{Command, Stdio};

use crate::agent::Agent;
use crate::daemon::{self, Daemon};
use crate::lab::Lab;
use crate::layer::has_lsm;
use crate::{binaries, skip};

/// `enforcer exec --agent worker --`, to be followed by a command.
pub fn command(lab: &Lab) -> Command {
    daemon::enforcer(lab, &["exec", "--agent", "worker", "--"])
}

/// The agent `worker`, root under `enforcer exec`.
pub fn agent(lab: &Lab) -> Agent {
    Agent::of(command(lab).arg(binaries::lab_agent()).stderr(Stdio::null()))
}

/// The agent `worker` behind each layer that closes what the cgroup programs do
/// not see: under `enforcer exec` everywhere, and root with every capability
/// where BPF LSM holds. The name says which.
pub fn agents(lab: &Lab, daemon: &Daemon<'_>) -> Vec<(&'static str, Agent)> {
    let mut agents = vec![("exec", agent(lab))];
    if has_lsm(daemon) {
        agents.push(("BPF LSM", lab.agent("worker")));
    }
    agents
}

/// Root with every capability and no layer but the cgroup programs; `None`, and
/// a skip of `test`, where BPF LSM stands in front of them.
pub fn only_hooks(test: &str, lab: &Lab, daemon: &Daemon<'_>) -> Option<Agent> {
    if has_lsm(daemon) {
        skip(test, "BPF LSM refuses before the cgroup programs are asked");
        return None;
    }
    Some(lab.agent("worker"))
}

/// Asserts that it is refused, by whichever of the layers is asked first.
#[track_caller]
pub fn expect_closed(layer: &str, agent: &mut Agent, words: &str) {
    let answer = agent.act(words);
    let closed = matches!(answer.errno(), "EPERM" | "EACCES");
    assert!(closed, "{layer}: {words}: {}", answer.0);
}
