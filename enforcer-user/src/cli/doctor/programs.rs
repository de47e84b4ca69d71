//! The hooks of a cgroup, tried by loading a program for each, and the maps,
//! tried by making one of each.

use aya::maps::MapType;
use aya::sys::is_map_supported;

use crate::cli::doctor::Check;
use crate::kernel::try_program;

/// A hook in the numbers of `linux/bpf.h`, and what is lost without it.
struct Hook {
    name: &'static str,
    /// `enum bpf_prog_type`.
    program: u32,
    /// `enum bpf_attach_type`.
    attach: u32,
    cost: &'static str,
}

/// Enforcement does not start without all of these.
const HOOKS: [Hook; 10] = [
    hook("cgroup_skb/egress", 8, 1, "packets are not judged at all"),
    hook("cgroup_skb/ingress", 8, 0, "strangers get answers from an agent's listeners"),
    hook("cgroup/sock_create", 9, 2, "raw sockets are not refused"),
    hook(
        "cgroup/connect4",
        18,
        10,
        "IPv4 connections are not refused at once, nor their process named",
    ),
    hook(
        "cgroup/connect6",
        18,
        11,
        "IPv6 connections are not refused at once, nor their process named",
    ),
    hook(
        "cgroup/sendmsg4",
        18,
        14,
        "IPv4 datagrams are not refused at once, nor their process named",
    ),
    hook(
        "cgroup/sendmsg6",
        18,
        15,
        "IPv6 datagrams are not refused at once, nor their process named",
    ),
    hook("cgroup/setsockopt", 25, 22, "socket options can divert packets of root agents"),
    hook("cgroup/dev", 15, 6, "root agents can open devices that carry packets or memory"),
    hook("cgroup/sysctl", 23, 18, "root agents can change how the kernel routes"),
];

/// What `cgroup/connect_unix` and `cgroup/sendmsg_unix` are to the kernel.
const UNIX: [(u32, u32); 2] = [(18, 49), (18, 50)];

const MAPS: [(MapType, &str, &str); 7] = [
    (MapType::Array, "array", "agents have no policy"),
    (MapType::PerCpuArray, "per-CPU array", "nothing is counted"),
    (MapType::Hash, "hash", "cgroups have no agent"),
    (MapType::LpmTrie, "longest-prefix trie", "addresses have no rule"),
    (MapType::SkStorage, "socket storage", "packets have no agent"),
    (MapType::TaskStorage, "task storage", "processes that leave their cgroup are not known"),
    (MapType::RingBuf, "ring buffer", "nobody hears of a denial"),
];

const REMEDY: &str = "use a kernel built with CONFIG_BPF_SYSCALL=y and CONFIG_CGROUP_BPF=y";

const fn hook(name: &'static str, program: u32, attach: u32, cost: &'static str) -> Hook {
    Hook { name, program, attach, cost }
}

pub(super) fn checks() -> impl Iterator<Item = Check> {
    let maps = MAPS.into_iter().map(|(kind, name, cost)| map(kind, name, cost));
    HOOKS.iter().map(program).chain(maps)
}

/// Whether cgroup programs are asked about Unix sockets.
pub(super) fn unix_hooks() -> bool {
    UNIX.iter().all(|(program, attach)| try_program(*program, *attach).is_ok())
}

fn program(hook: &Hook) -> Check {
    let name = format!("program {}", hook.name);
    match try_program(hook.program, hook.attach) {
        Ok(()) => Check::ok(name, "loads"),
        Err(error) => {
            Check::missing(name, format!("does not load: {error}")).cost(hook.cost).remedy(REMEDY)
        }
    }
}

fn map(kind: MapType, name: &str, cost: &str) -> Check {
    let name = format!("map {name}");
    let found = match is_map_supported(kind) {
        Ok(true) => return Check::ok(name, "can be made"),
        Ok(false) => "unknown to this kernel".to_owned(),
        Err(error) => format!("cannot be made: {}", error.io_error),
    };
    Check::missing(name, found).cost(cost).remedy(REMEDY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::HOOKUPS;

    #[test]
    fn every_hook_that_is_attached_is_tried() {
        let tried: Vec<u32> =
            HOOKS.iter().map(|hook| hook.attach).chain(UNIX.map(|(_, attach)| attach)).collect();
        let mut missing = HOOKUPS.iter().filter(|hookup| !tried.contains(&hookup.attach_type));
        assert_eq!(missing.next().map(|hookup| hookup.program), None);
        assert_eq!(tried.len(), HOOKUPS.len());
    }
}
