//! An agent behind the layers that stand beside the cgroup programs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::loaded_programs;

use crate::agent::Agent;
use crate::binaries;
use crate::daemon::{self, Daemon};
use crate::lab::Lab;
use crate::layer::has_lsm;
use crate::wait::eventually;

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
        let of_layer = |pin: &fs::DirEntry| pin.file_name().to_string_lossy().starts_with("lsm_");
        let pins: Vec<_> = pins.flatten().filter(of_layer).map(|pin| pin.path()).collect();
        let programs: Vec<u32> = pins.iter().map(|pin| program_of(pin)).collect();
        pins.iter().for_each(|pin| fs::remove_file(pin).expect("remove a pin"));
        // A program goes when it is called no more, some time after its pin.
        eventually("BPF LSM to be gone", || {
            let mut loaded = loaded_programs().filter_map(Result::ok);
            (!loaded.any(|program| programs.contains(&program.id()))).then_some(())
        });
    }
    lab.agent("worker")
}

/// The id of a pinned link's program.
fn program_of(pin: &Path) -> u32 {
    let link = FdLink::from(PinnedLink::from_pin(pin).expect("open a pin"));
    link.info().expect("what the link is").program_id()
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
