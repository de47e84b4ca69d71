//! What is told of an adoption.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use caps::{CapSet, Capability};

use super::fate::Fate;
use super::look::{Found, Look};
use super::target::Target;
use crate::daemon::core::Core;
use crate::daemon::disconnect::counted;
use crate::daemon::protocol::{AdoptedSocket, Adoption, SocketResult};
use crate::events::{Event, EventKind, Process, comm_of, exe_of};
use crate::kernel::monotonic_ns;
use crate::policy::AgentName;
use crate::sockets::holders_of;

/// Capabilities with which a process can walk out of what its cgroup enforces.
const DANGEROUS: [Capability; 9] = [
    Capability::CAP_NET_ADMIN,
    Capability::CAP_NET_RAW,
    Capability::CAP_SYS_MODULE,
    Capability::CAP_SYS_RAWIO,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_MKNOD,
    Capability::CAP_PERFMON,
    Capability::CAP_BPF,
];
/// Sockets named in the event; the rest is a number.
const NAMED: usize = 50;

/// What adoption leaves as it is.
pub(super) fn notes(target: &Target, pids: &[u32]) -> Vec<String> {
    let keeps = pids.iter().filter_map(|&pid| {
        let held = caps::read(i32::try_from(pid).ok(), CapSet::Effective).ok()?;
        let kept: Vec<_> =
            DANGEROUS.iter().filter(|c| held.contains(c)).map(ToString::to_string).collect();
        (!kept.is_empty()).then(|| {
            let kept = kept.join(", ");
            format!("process {pid} keeps {kept}: only `enforcer exec` takes them away")
        })
    });
    let left = match target {
        Target::Process(pid) => children(*pid),
        Target::Cgroup(_) => Vec::new(),
    };
    let left = (!left.is_empty()).then(|| {
        format!("children that stay outside: {}; --cgroup takes them along", left.join(", "))
    });
    keeps.chain(left).collect()
}

/// Children of a process (proc_tid_children(5)).
fn children(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")));
    let words = |list: String| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    lists.flat_map(|list| words(list.unwrap_or_default())).collect()
}

/// The whole of it.
pub(super) fn adoption(
    agent: &AgentName,
    cgroup: &Path,
    processes: Vec<u32>,
    look: Look,
    fates: Vec<Fate>,
    notes: Vec<String>,
) -> Adoption {
    let peers: Vec<u32> = look.found.iter().filter_map(|found| found.unix.as_ref()?.peer).collect();
    let peers = if peers.is_empty() { BTreeMap::new() } else { holders_of(&peers) };
    let sockets = look.found.into_iter().zip(fates);
    Adoption {
        agent: agent.to_string(),
        cgroup: cgroup.display().to_string(),
        processes,
        sockets: sockets.map(|(found, fate)| socket(found, fate, &peers)).collect(),
        notes,
    }
}

fn socket(found: Found, fate: Fate, peers: &BTreeMap<u32, u32>) -> AdoptedSocket {
    let inet = found.socket.as_ref();
    let unix_peer = found
        .unix
        .as_ref()
        .and_then(|unix| unix.peer)
        .map(|inode| peers.get(&inode).map_or_else(|| "nobody".to_owned(), |&pid| named(pid)));
    AdoptedSocket {
        pid: found.holders[0].pid,
        fd: found.holders[0].fd,
        holders: u32::try_from(found.holders.len()).unwrap_or(u32::MAX),
        kind: kind(&found),
        local: inet.map(|s| s.local.to_string()).or(found.unix.and_then(|unix| unix.name)),
        peer: inet.and_then(|s| s.remote).map(|to| to.to_string()).or(unix_peer),
        result: fate.result,
        why: fate.why,
    }
}

fn kind(found: &Found) -> String {
    let listed = || found.socket.as_ref().map(|socket| socket.word().to_owned());
    let kind = found.kind.map(|kind| kind.to_string()).or_else(listed);
    kind.unwrap_or_else(|| "unknown".to_owned())
}

/// As `python3[4242]`.
fn named(pid: u32) -> String {
    format!("{}[{pid}]", comm_of(pid).unwrap_or_default())
}

/// The event that everybody gets.
pub(super) fn event(core: &Core, adoption: &Adoption) -> Event {
    let processes: Vec<String> = adoption.processes.iter().map(|&pid| named(pid)).collect();
    let of = |result| adoption.sockets.iter().filter(|s| s.result == result).count();
    let destroyed = of(SocketResult::Destroyed);
    let named: Vec<String> = adoption.sockets.iter().take(NAMED).map(described).collect();
    let message = format!(
        "{} adopted into {}: {} destroyed, {} kept, {} left open: {}",
        processes.join(", "),
        adoption.cgroup,
        counted(destroyed),
        of(SocketResult::Kept),
        of(SocketResult::Open),
        named.join("; "),
    );
    Event {
        sockets: u32::try_from(destroyed).ok(),
        process: adoption.processes.first().map(|&pid| process(pid)),
        policy_generation: core.kernel.generation(),
        ..Event::now(EventKind::Adopted, message).of(adoption.agent.as_str())
    }
}

fn described(socket: &AdoptedSocket) -> String {
    let AdoptedSocket { kind, local, peer, why, .. } = socket;
    let ends = [local, peer].into_iter().flatten().cloned().collect::<Vec<_>>().join(" > ");
    format!("{kind} {ends} ({why})")
}

fn process(pid: u32) -> Process {
    use std::os::unix::fs::MetadataExt;
    let comm = comm_of(pid).unwrap_or_default();
    let uid = fs::metadata(format!("/proc/{pid}")).map_or(0, |meta| meta.uid());
    Process { pid, comm, exe: exe_of(pid, monotonic_ns()), uid }
}
