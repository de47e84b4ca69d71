//! What is decided about calls that have no destination: the ways around the
//! packet hooks, and those to the enforcement itself.

use crate::decide::{Decision, PolicyTables};
use crate::flow::Protocol;
use crate::vocabulary::{Reason, Verdict};

/// A `bpf(2)` command that no kernel has. The program at the hook `bpf` answers
/// it, so that a caller can see whether the programs at the security hooks run:
/// those of BPF LSM load on kernels that never call them (`lsm=` without `bpf`).
pub const CANARY_COMMAND: u32 = 0x454e_464f;

/// Families and protocols of `include/linux/socket.h` and `include/uapi/linux`.
const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
const NETLINK_ROUTE: u32 = 0;
const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
/// `SOCK_TYPE_MASK`: what is above are flags.
const TYPE_MASK: u32 = 0xf;

/// Whether sockets of this family, type and protocol (as `socket(2)` is told)
/// may exist in an agent. Of IP those that the packet hook sees; routing
/// messages, without which no library finds its address; Unix sockets, whose
/// peers are judged when they connect. The old way to packet sockets,
/// `socket(AF_INET, SOCK_PACKET)`, is refused by its type.
#[inline(always)]
pub fn is_permitted_family(family: u32, kind: u32, protocol: u32) -> bool {
    let is = |p: Protocol| protocol == p.0 as u32;
    match (family, kind & TYPE_MASK) {
        (AF_UNIX, _) => true,
        (AF_NETLINK, _) => protocol == NETLINK_ROUTE,
        (AF_INET | AF_INET6, STREAM) => protocol == 0 || is(Protocol::TCP),
        (AF_INET, DATAGRAM) => protocol == 0 || is(Protocol::UDP) || is(Protocol::ICMP),
        (AF_INET6, DATAGRAM) => protocol == 0 || is(Protocol::UDP) || is(Protocol::ICMPV6),
        _ => false,
    }
}

/// Capabilities that lead around the packet hooks or to the enforcement itself
/// (`include/uapi/linux/capability.h`): NET_ADMIN, NET_RAW, SYS_MODULE,
/// SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_TIME, MKNOD, PERFMON, BPF,
/// CHECKPOINT_RESTORE.
const REFUSED: u64 = bit(12)
    | bit(13)
    | bit(16)
    | bit(17)
    | bit(19)
    | bit(21)
    | bit(22)
    | bit(25)
    | bit(27)
    | bit(38)
    | bit(39)
    | bit(40);

const fn bit(capability: u32) -> u64 {
    1 << capability
}

/// Devices that compute and do nothing else, as `/proc/devices` names them: their
/// majors are given out when their drivers come. What reaches other machines
/// (`nvidia-nvlink`, `nvidia-caps-imex-channels`) is not among them.
pub const COMPUTE_DEVICES: [&str; 3] = ["nvidia-uvm", "nvidia-caps", "kfd"];

/// Whether no agent has the use of this capability, unless its policy says so.
#[inline(always)]
pub const fn is_refused_capability(capability: u32) -> bool {
    capability < 64 && REFUSED & bit(capability) != 0
}

/// Decides a call that the agent in `slot` should not make. Audit mode lets
/// through what breaks the policy; what is aimed at the enforcement, or could
/// not be reported afterwards, is refused in every mode.
#[inline(always)]
pub fn decide_call(tables: &impl PolicyTables, slot: u32, reason: Reason) -> Decision {
    let denied = Decision::deny(reason);
    let lenient = matches!(reason, Reason::UnixPeer | Reason::ForeignSocket | Reason::Privilege);
    let audit = tables.limits(slot).is_some_and(|limits| limits.is_audit());
    if lenient && audit {
        return Decision { verdict: Verdict::Allow, audited: true, ..denied };
    }
    denied
}

/// What a process is to the enforcement; kept with the process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskTag {
    /// [`TaskTag::NONE`], [`TaskTag::AGENT`] or [`TaskTag::TRUSTED`].
    pub kind: u64,
    /// The cgroup of the agent it belongs to, or its own where no policy names
    /// one.
    pub cgroup_id: u64,
}
kernel_abi!(TaskTag, size = 16, { kind: u64 = 0, cgroup_id: u64 = 8 });

impl TaskTag {
    /// Not tagged.
    pub const NONE: u64 = 0;
    /// Has been below the enforced root; so have all that it started.
    pub const AGENT: u64 = 1;
    /// The daemon's own: may enter and leave agents' cgroups. Not inherited.
    pub const TRUSTED: u64 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_the_packet_hook_sees_are_permitted() {
        let tcp = [(2, 1, 0), (2, 1, 6), (10, 1, 6), (2, 1 | 0o2_000_000, 0)];
        let udp = [(2, 2, 0), (10, 2, 17), (2, 2, 1), (10, 2, 58)];
        let local = [(1, 1, 0), (1, 2, 0), (1, 5, 0), (16, 3, 0)];
        for (family, kind, protocol) in tcp.into_iter().chain(udp).chain(local) {
            assert!(is_permitted_family(family, kind, protocol), "{family} {kind} {protocol}");
        }
    }

    #[test]
    fn what_nobody_could_judge_is_refused() {
        // MPTCP, raw, SOCK_PACKET, UDP-Lite, ping of the wrong family, SCTP;
        // diagnosis, packet, vsock, XDP, ALG, Bluetooth.
        let inet = [(2, 1, 262), (2, 3, 1), (2, 10, 0), (2, 2, 136), (2, 2, 58), (10, 1, 132)];
        let others = [(16, 3, 4), (17, 3, 0), (40, 1, 0), (44, 3, 0), (38, 5, 0), (31, 1, 0)];
        for (family, kind, protocol) in inet.into_iter().chain(others) {
            assert!(!is_permitted_family(family, kind, protocol), "{family} {kind} {protocol}");
        }
    }

    #[test]
    fn the_refused_capabilities_leave_their_neighbours() {
        let refused: Vec<u32> = (0..64).filter(|&c| is_refused_capability(c)).collect();
        assert_eq!(refused, [12, 13, 16, 17, 19, 21, 22, 25, 27, 38, 39, 40]);
        assert!(!is_refused_capability(64) && !is_refused_capability(u32::MAX));
    }
}
