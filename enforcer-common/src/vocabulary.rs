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
                match code {
                    $($code => Ok(Self::$variant),)+
                    code => Err(UnknownCode { vocabulary: $what, code }),
                }
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
    /// Why a verdict was given. `Rule` is the only reason to allow.
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
    }
}

impl Reason {
    /// Number of codes, for tables indexed by reason.
    pub const COUNT: usize = Self::ALL.len();

    /// The verdict this reason stands for; `Rule` alone allows.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Rule => Verdict::Allow,
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
            | Self::Canary => Verdict::Deny,
        }
    }

    /// Whether a denial for this reason says that the agent broke its policy,
    /// and so counts towards its tripwire. Not counted: allowed traffic, caps
    /// (`rate-limited` is its own event), what is already quarantined, the
    /// self-check, and our own faults.
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
            | Self::SocketType => true,
            Self::Internal
            | Self::Quarantined
            | Self::PacketCap
            | Self::ByteCap
            | Self::ConnectionCap
            | Self::Canary
            | Self::Rule => false,
        }
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_is_the_only_reason_to_allow() {
        let allowing: Vec<_> =
            Reason::ALL.iter().filter(|r| r.verdict() == Verdict::Allow).collect();
        assert_eq!(allowing, [&Reason::Rule]);
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
