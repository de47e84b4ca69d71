//! The closed vocabularies. Codes are ABI: append, never renumber.

use core::fmt;

/// `EPERM` of `errno.h`; LSM hooks refuse with its negative.
const EPERM: i32 = 1;

/// What the kernel is told. Zero denies, so zeroed memory denies.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verdict that is not returned to the kernel enforces nothing"]
pub enum Verdict {
    /// The packet is dropped or the call fails with `EPERM`.
    Deny = 0,
    /// The packet passes or the call proceeds.
    Allow = 1,
}

// === impl Verdict ===

impl Verdict {
    /// For `cgroup/*` hooks: 1 permits, 0 makes the call fail with `EPERM`
    /// (kernel: `include/linux/bpf-cgroup.h`, `BPF_CGROUP_RUN_*`).
    pub const fn cgroup_return(self) -> i32 {
        match self {
            Self::Allow => 1,
            Self::Deny => 0,
        }
    }

    /// For LSM hooks, which count the other way: 0 permits, a negative errno
    /// refuses (kernel: `include/linux/lsm_hooks.h`).
    pub const fn lsm_return(self) -> i32 {
        match self {
            Self::Allow => 0,
            Self::Deny => -EPERM,
        }
    }

    /// The word used in metrics, events and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// A code from the other side of the boundary that names nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCode {
    /// Which vocabulary was asked.
    pub vocabulary: &'static str,
    /// The code that is not in it.
    pub code: u8,
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} code {}", self.vocabulary, self.code)
    }
}

impl core::error::Error for UnknownCode {}

/// A `u8` vocabulary: codes, words and the way back from each.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$vmeta:meta])* $variant:ident = $code:literal => $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant = $code),+ }

        impl $name {
            /// Every member, in code order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in metrics, events and tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The member with this word, as it appears in metrics and events.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl TryFrom<u8> for $name {
            type Error = UnknownCode;
            fn try_from(code: u8) -> Result<Self, UnknownCode> {
                // Looked up, not matched: the verifier would follow each code on its own.
                let known = Self::ALL.get(usize::from(code)).copied();
                known.ok_or(UnknownCode { vocabulary: $what, code })
            }
        }
    };
}

vocabulary! {
    /// Where in the kernel a flow was judged.
    Hook, "hook", {
        /// `cgroup_skb/egress`: the judge of every packet.
        Egress = 0 => "egress",
        /// `cgroup/connect4`: `connect(2)` to an IPv4 address.
        Connect4 = 1 => "connect4",
        /// `cgroup/connect6`: `connect(2)` to an IPv6 or v4-mapped address.
        Connect6 = 2 => "connect6",
        /// `cgroup/sendmsg4`: unconnected UDP to an IPv4 address.
        Sendmsg4 = 3 => "sendmsg4",
        /// `cgroup/sendmsg6`: unconnected UDP to an IPv6 address.
        Sendmsg6 = 4 => "sendmsg6",
        /// `cgroup/sock_create`: a socket is being made.
        SockCreate = 5 => "sock_create",
        /// `cgroup_skb/ingress`: a packet that reaches a socket of the agent.
        Ingress = 6 => "ingress",
        /// `cgroup/setsockopt`: an option that changes where packets go.
        Setsockopt = 7 => "setsockopt",
        /// `cgroup/dev`: a device file is opened or made.
        Device = 8 => "device",
        /// `cgroup/sysctl`: a kernel setting is written.
        Sysctl = 9 => "sysctl",
        /// `cgroup/connect_unix`: `connect(2)` to a Unix socket.
        ConnectUnix = 10 => "connect_unix",
        /// `cgroup/sendmsg_unix`: a datagram to a Unix socket.
        SendmsgUnix = 11 => "sendmsg_unix",
        /// `lsm/socket_create`: sockets of families that `sock_create` never sees.
        SocketCreate = 12 => "socket_create",
        /// `lsm/socket_connect`: the caller's cgroup against the socket's.
        SocketConnect = 13 => "socket_connect",
        /// `lsm/socket_sendmsg`: likewise, for each send.
        SocketSendmsg = 14 => "socket_sendmsg",
        /// `lsm/socket_accept`: likewise, for an inherited listener.
        SocketAccept = 15 => "socket_accept",
        /// `lsm/file_receive`: a descriptor that came over a Unix socket.
        FileReceive = 16 => "file_receive",
        /// `lsm/unix_stream_connect`: the listener's cgroup.
        UnixStreamConnect = 17 => "unix_stream_connect",
        /// `lsm/unix_may_send`: the receiver's cgroup.
        UnixMaySend = 18 => "unix_may_send",
        /// `lsm/ptrace_access_check`: tracing a process, or taking its descriptors.
        PtraceAccessCheck = 19 => "ptrace_access_check",
        /// `lsm/task_kill`: a signal to a process.
        TaskKill = 20 => "task_kill",
        /// `lsm/bpf`: `bpf(2)`.
        Bpf = 21 => "bpf",
        /// `lsm/capable`: a privilege is used.
        Capable = 22 => "capable",
        /// `lsm/userns_create`: a user namespace is made.
        UsernsCreate = 23 => "userns_create",
        /// `lsm/inode_permission`, `lsm/file_permission`: a write to the cgroup
        /// or bpf file system.
        InodePermission = 24 => "inode_permission",
        /// `lsm/inode_unlink`, `lsm/inode_rename`: a pin is removed or moved.
        InodeUnlink = 25 => "inode_unlink",
        /// `lsm/sb_mount`, `lsm/move_mount`, `lsm/sb_umount`: a mount is changed.
        Mount = 26 => "mount",
        /// `lsm/key_alloc`: the kernel would start a helper outside.
        KeyAlloc = 27 => "key_alloc",
        /// `tp_btf/cgroup_attach_task`: a process was moved to another cgroup.
        CgroupAttachTask = 28 => "cgroup_attach_task",
        /// `tp_btf/task_newtask`: a process was started in another cgroup.
        TaskNewtask = 29 => "task_newtask",
        /// `lsm/task_setrlimit`, `lsm/task_setnice`, `lsm/task_setscheduler`,
        /// `lsm/task_setioprio`: what a process gets of the machine.
        TaskLimit = 30 => "task_limit",
        /// `lsm/file_fcntl`, `lsm/file_ioctl`: whom a descriptor's signals go to, and
        /// what is typed into a terminal.
        FileControl = 31 => "file_control",
        /// The system call filter of `enforcer exec`; the daemon is told by it.
        Seccomp = 32 => "seccomp",
    }
}

impl Hook {
    /// Whether this hook judges `connect(2)`, so that its verdicts count as
    /// connections and not as packets.
    pub const fn is_connect(self) -> bool {
        matches!(self, Self::Connect4 | Self::Connect6)
    }
}

vocabulary! {
    /// Why a verdict was given. Only `Rule` and `Reset` allow.
    Reason, "reason", {
        /// The state that zeroed memory spells; also a table that contradicts
        /// itself. Denies.
        Internal = 0 => "internal",
        /// The cgroup is under the enforced root and no policy names it.
        UnboundAgent = 1 => "unbound-agent",
        /// The agent is quarantined.
        Quarantined = 2 => "quarantined",
        /// No rule names the destination address.
        NoRule = 3 => "no-rule",
        /// A rule names the address, none of them this protocol and port.
        NoPort = 4 => "no-port",
        /// A `deny` rule names the destination.
        DenyRule = 5 => "deny-rule",
        /// The packets-per-second cap is exhausted.
        PacketCap = 6 => "packet-cap",
        /// The bytes-per-second cap is exhausted.
        ByteCap = 7 => "byte-cap",
        /// The new-connections cap is exhausted.
        ConnectionCap = 8 => "connection-cap",
        /// Neither IPv4 nor IPv6.
        NotIp = 9 => "not-ip",
        /// The packet ends before its headers do.
        Truncated = 10 => "truncated",
        /// A fragment: its ports cannot be trusted.
        Fragment = 11 => "fragment",
        /// A source route or routing header: the packet goes elsewhere first.
        SourceRoute = 12 => "source-route",
        /// An extension header chain or option list that cannot be followed.
        UnreadableHeader = 13 => "unreadable-header",
        /// A socket family or type that the packet hook could not judge.
        SocketType = 14 => "socket-type",
        /// The self-check's own destination, always refused.
        Canary = 15 => "canary",
        /// An allow rule names the destination.
        Rule = 16 => "rule",
        /// An option that sends packets another way, or that makes the kernel send.
        SocketOption = 17 => "socket-option",
        /// A device that carries packets or memory past the hooks.
        Device = 18 => "device",
        /// A kernel setting that is not the agent's to change.
        KernelSetting = 19 => "kernel-setting",
        /// A Unix socket outside the agent's cgroup that its policy does not name.
        UnixPeer = 20 => "unix-peer",
        /// A socket that was made outside the agent's cgroup.
        ForeignSocket = 21 => "foreign-socket",
        /// The packet would leave by an interface that the policy does not name.
        Interface = 22 => "interface",
        /// A process tried to leave its cgroup, or left it and was killed.
        Escape = 23 => "escape",
        /// A process tried to change or stop the enforcement itself.
        Tamper = 24 => "tamper",
        /// A privilege that no agent has: a capability, a namespace, a key.
        Privilege = 25 => "privilege",
        /// A packet from a peer to whom the agent could not answer.
        Inbound = 26 => "inbound",
        /// The last word of a connection that the daemon is cutting: a TCP reset
        /// without a payload, so that the peer sees the end too.
        Reset = 27 => "reset",
    }
}

impl Reason {
    /// Number of codes, for tables indexed by reason.
    pub const COUNT: usize = Self::ALL.len();

    /// The verdict this reason stands for; `Rule` and `Reset` alone allow.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Rule | Self::Reset => Verdict::Allow,
            Self::Internal
            | Self::UnboundAgent
            | Self::Quarantined
            | Self::NoRule
            | Self::NoPort
            | Self::DenyRule
            | Self::PacketCap
            | Self::ByteCap
            | Self::ConnectionCap
            | Self::NotIp
            | Self::Truncated
            | Self::Fragment
            | Self::SourceRoute
            | Self::UnreadableHeader
            | Self::SocketType
            | Self::Canary
            | Self::SocketOption
            | Self::Device
            | Self::KernelSetting
            | Self::UnixPeer
            | Self::ForeignSocket
            | Self::Interface
            | Self::Escape
            | Self::Tamper
            | Self::Privilege
            | Self::Inbound => Verdict::Deny,
        }
    }

    /// Whether a denial for this reason says that the agent broke its policy,
    /// and so counts towards its tripwire. Not counted: allowed traffic, caps
    /// (`rate-limited` is its own event), what is already quarantined, the
    /// self-check, our own faults, what a stranger outside sent, and what libraries
    /// try by habit (a name service's Unix socket, a privilege they can do without).
    pub const fn is_violation(self) -> bool {
        match self {
            Self::UnboundAgent
            | Self::NoRule
            | Self::NoPort
            | Self::DenyRule
            | Self::NotIp
            | Self::Truncated
            | Self::Fragment
            | Self::SourceRoute
            | Self::UnreadableHeader
            | Self::SocketType
            | Self::SocketOption
            | Self::Device
            | Self::KernelSetting
            | Self::ForeignSocket
            | Self::Interface
            | Self::Escape
            | Self::Tamper => true,
            Self::Internal
            | Self::UnixPeer
            | Self::Privilege
            | Self::Inbound
            | Self::Reset
            | Self::Quarantined
            | Self::PacketCap
            | Self::ByteCap
            | Self::ConnectionCap
            | Self::Canary
            | Self::Rule => false,
        }
    }

    /// Whether a denial for this reason is reported as `tamper`: an attempt on
    /// the enforcement and not on a destination.
    pub const fn is_tampering(self) -> bool {
        matches!(self, Self::Escape | Self::Tamper)
    }

    /// Whether the reason is an exhausted cap.
    pub const fn is_cap(self) -> bool {
        matches!(self, Self::PacketCap | Self::ByteCap | Self::ConnectionCap)
    }
}

vocabulary! {
    /// What a [`Record`](crate::Record) reports.
    RecordKind, "record kind", {
        /// A flow was denied.
        Denied = 0 => "denied",
        /// A flow was denied because a cap is exhausted.
        RateLimited = 1 => "rate-limited",
        /// A `connect(2)` was allowed.
        Connected = 2 => "connected",
        /// The tripwire set the agent's quarantine.
        Quarantined = 3 => "quarantined",
        /// Audit mode: the flow passed and would have been denied.
        WouldDeny = 4 => "would-deny",
        /// An attempt to leave the cgroup, or on the enforcement itself.
        Tamper = 5 => "tamper",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rule_and_a_reset_allow() {
        let allowing: Vec<_> =
            Reason::ALL.iter().filter(|r| r.verdict() == Verdict::Allow).collect();
        assert_eq!(allowing, [&Reason::Rule, &Reason::Reset]);
    }

    #[test]
    fn every_code_and_every_word_leads_back() {
        for &reason in Reason::ALL {
            assert_eq!(Reason::try_from(reason as u8), Ok(reason));
            assert_eq!(Reason::from_word(reason.as_str()), Some(reason));
        }
        let code = u8::try_from(Reason::COUNT).expect("fewer than 256 reasons");
        assert_eq!(Reason::try_from(code), Err(UnknownCode { vocabulary: "reason", code }));
    }

    #[test]
    fn the_two_kinds_of_hook_count_in_opposite_directions() {
        assert_eq!((Verdict::Allow.cgroup_return(), Verdict::Deny.cgroup_return()), (1, 0));
        assert_eq!((Verdict::Allow.lsm_return(), Verdict::Deny.lsm_return()), (0, -1));
    }
}
