//! An agent behind the layers that stand beside the cgroup programs.

use std::fs;
use std::process::{Command, Stdio};

use crate::agent::Agent;
use crate::binaries;
use crate::daemon::{self, Daemon};
use crate::lab::Lab;
use crate::layer::has_lsm;
use crate::wait::eventually;

/// `CLONE_NEWNET` of `include/uapi/linux/sched.h`.
const NEWNET: u32 = 0x4000_0000;

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

/// Root with every capability and no layer but the cgroup programs. Where BPF LSM
/// stands in front of them it is taken away, as an administrator might: the
/// daemon is killed, and its programs of that layer are unpinned.
pub fn only_hooks(lab: &Lab, daemon: &mut Daemon<'_>) -> Agent {
    if has_lsm(daemon) {
        daemon.kill9();
        let pins = fs::read_dir(lab.bpf_dir().join("links")).expect("list the pins");
        for pin in
            pins.flatten().filter(|pin| pin.file_name().to_string_lossy().starts_with("lsm_"))
        {
            fs::remove_file(pin.path()).expect("remove a pin");
        }
        // Of no agent, so that nothing is counted against one.
        let free = || lab.agent("nobody").act(&format!("unshare {NEWNET}")).ok().then_some(());
        eventually("BPF LSM to be gone", free);
    }
    lab.agent("worker")
}

/// Whether `enforcer exec` keeps signals within the agent here (Linux 6.12).
pub fn has_scopes() -> bool {
    // SAFETY: without attributes and with this flag it only answers.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    version >= 6
}

/// Asserts that it is refused, by whichever of the layers is asked first.
#[track_caller]
pub fn expect_closed(layer: &str, agent: &mut Agent, words: &str) {
    let answer = agent.act(words);
    let closed = matches!(answer.errno(), "EPERM" | "EACCES" | "EROFS");
    assert!(closed, "{layer}: {words}: {}", answer.0);
}
