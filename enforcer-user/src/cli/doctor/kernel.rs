//! What the kernel takes: every kind of program and map that enforcement
//! uses, tried by loading it.

use aya::maps::MapType;
use aya::sys::is_map_supported;

use crate::cli::doctor::Check;
use crate::cli::doctor::load::{Kind, load};
use crate::kernel::Means;
use crate::sockets::{Diag, Netns};

/// Numbers of `linux/bpf.h`, with what is lost without each.
const PROGRAMS: [(Kind, &str); 6] = [
    (Kind { name: "cgroup_skb/egress", program: 8, attach: 1 }, "packets are not judged at all"),
    (Kind { name: "cgroup/sock_create", program: 9, attach: 2 }, "raw sockets are not refused"),
    (
        Kind { name: "cgroup/connect4", program: 18, attach: 10 },
        "IPv4 connections are not refused at once and no process is named",
    ),
    (
        Kind { name: "cgroup/connect6", program: 18, attach: 11 },
        "IPv6 connections are not refused at once and no process is named",
    ),
    (
        Kind { name: "cgroup/sendmsg4", program: 18, attach: 14 },
        "IPv4 datagrams are not refused at once and no process is named",
    ),
    (
        Kind { name: "cgroup/sendmsg6", program: 18, attach: 15 },
        "IPv6 datagrams are not refused at once and no process is named",
    ),
];

const MAPS: [(MapType, &str, &str); 6] = [
    (MapType::Array, "array", "agents have no policy"),
    (MapType::PerCpuArray, "per-CPU array", "nothing is counted"),
    (MapType::Hash, "hash", "cgroups have no agent"),
    (MapType::LpmTrie, "longest-prefix trie", "addresses have no rule"),
    (MapType::SkStorage, "socket storage", "packets have no agent"),
    (MapType::RingBuf, "ring buffer", "nobody hears of a denial"),
];

const REMEDY: &str = "use a kernel built with CONFIG_BPF_SYSCALL=y and CONFIG_CGROUP_BPF=y";

const EXEC: &str = "start agents with `enforcer exec`, which closes the same paths; or start the \
                    kernel with `bpf` in `lsm=`";

const UNJUDGED: &str = "on a kernel that preempts itself (`preempt=full` or `lazy`) a call is not \
                        judged while the same hook's program is suspended on that processor; \
                        `enforcer status` counts those";

pub(super) fn checks() -> impl Iterator<Item = Check> {
    let programs = PROGRAMS.into_iter().map(|(kind, cost)| program(kind, cost));
    let maps = MAPS.into_iter().map(|(kind, name, cost)| map(kind, name, cost));
    programs.chain(maps).chain([open_sockets(), hooks(), embedded()])
}

fn program(kind: Kind, cost: &str) -> Check {
    let name = format!("program {}", kind.name);
    match load(kind) {
        Ok(()) => Check::ok(name, "loads"),
        Err(error) => {
            Check::missing(name, format!("does not load: {error}")).cost(cost).remedy(REMEDY)
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

/// Never asked of `/sys/kernel/security/lsm`: a kernel can list `bpf` there
/// and refuse the programs, or take them and never call them.
fn hooks() -> Check {
    let probe = crate::kernel::probe_hooks();
    let (name, hooks) = ("kernel hooks", format!("{} of {} hooks", probe.loads, probe.wanted));
    match (probe.means, probe.refusal) {
        (Ok(Means::Lsm), None) => Check::ok(name, format!("{hooks} by {}", Means::Lsm)),
        (Ok(Means::ModifyReturn), None) => {
            Check::degraded(name, format!("{hooks} by {}", Means::ModifyReturn))
                .cost(UNJUDGED)
                .remedy("start the kernel with `bpf` in `lsm=`")
        }
        (Ok(means), Some(refusal)) => {
            Check::degraded(name, format!("{hooks} by {means}; {refusal}"))
                .cost("what the missing hooks refuse is closed by `enforcer exec` only")
                .remedy(EXEC)
        }
        (Err(why), _) => Check::degraded(name, format!("none: {why}"))
            .cost(
                "an agent that keeps capabilities can open packet sockets and other address \
                 families, leave its cgroup, or take over a process outside",
            )
            .remedy(EXEC),
    }
}

/// Denied packets end no connection; the daemon does, where the kernel lets it.
fn open_sockets() -> Check {
    match Netns::OWN.visit(Diag::probe) {
        Ok(()) => Check::ok("open sockets", "can be listed and destroyed"),
        Err(error) => Check::degraded("open sockets", error.to_string())
            .cost(
                "established connections of a quarantined agent are denied packet by packet, and \
                 neither end is told; `adopt` cannot end what it finds",
            )
            .remedy(
                "run as root, on a kernel with CONFIG_INET_DIAG, CONFIG_INET_UDP_DIAG, \
                 CONFIG_INET_DIAG_DESTROY and CONFIG_UNIX_DIAG (modules: tcp_diag, udp_diag, \
                 unix_diag)",
            ),
    }
}

fn embedded() -> Check {
    if crate::kernel::embedded() {
        return Check::ok("kernel programs", "embedded in this binary");
    }
    Check::missing("kernel programs", "not embedded in this binary")
        .cost("`enforcer run` has nothing to load")
        .remedy("build with `cargo xtask build`, which compiles and embeds them")
}
