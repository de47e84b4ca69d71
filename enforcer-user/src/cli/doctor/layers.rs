//! What a kernel can have beside the hooks of a cgroup, and what closes the
//! same paths where it has not.

use crate::cli::doctor::{Check, programs};
use crate::kernel::{Means, Probe, probe_hooks, try_tracepoint};
use crate::sockets::{Diag, Netns};

/// The tracepoints that see a process change its cgroup.
const WATCHED: [&str; 2] = ["cgroup_attach_task", "task_newtask"];

const EXEC: &str = "start agents with `enforcer exec`, which closes the same paths";

const UNJUDGED: &str = "on a kernel that preempts itself (`preempt=full` or `lazy`) a call is not \
                        judged while the same hook's program is suspended on that processor; \
                        `enforcer status` counts those";

pub(super) fn checks() -> impl Iterator<Item = Check> {
    let probe = probe_hooks();
    [open_sockets(), hooks(&probe), unix(&probe), watch(), embedded()].into_iter()
}

/// Never asked of `/sys/kernel/security/lsm`: a kernel can list `bpf` there
/// and refuse the programs, or take them and never call them.
fn hooks(probe: &Probe) -> Check {
    let (name, hooks) = ("security hooks", format!("{} of {} hooks", probe.loads, probe.wanted));
    match (&probe.means, &probe.refusal) {
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
            .remedy(format!(
                "{EXEC}; or use a kernel with CONFIG_BPF_LSM=y, BTF, and `bpf` in `lsm=`"
            )),
    }
}

fn unix(probe: &Probe) -> Check {
    let name = "Unix sockets";
    if let (Ok(means), None) = (&probe.means, &probe.refusal) {
        return Check::ok(name, format!("judged by the peer's cgroup ({means})"));
    }
    if programs::unix_hooks() {
        return Check::ok(name, "judged by their address (cgroup/connect_unix and sendmsg_unix)");
    }
    Check::degraded(name, "not judged: no cgroup/connect_unix (Linux 6.7), no security hooks")
        .cost(
            "an agent reaches every helper whose socket file its user may open: container engines, \
             D-Bus, SSH agents",
        )
        .remedy(
            "use Linux 6.7 or newer; until then, keep agents from such sockets by their \
             permissions, and give each agent a user of its own",
        )
}

fn watch() -> Check {
    let name = "escape watch";
    let refused = WATCHED.iter().find_map(|point| Some((point, try_tracepoint(point).err()?)));
    let Some((point, error)) = refused else {
        return Check::ok(name, "processes that leave their cgroup can be ended");
    };
    Check::degraded(name, format!("no program for the tracepoint {point}: {error}"))
        .cost("a root agent that leaves its cgroup is not ended")
        .remedy(format!("{EXEC}; or use a kernel with BTF and CONFIG_BPF_EVENTS=y"))
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
