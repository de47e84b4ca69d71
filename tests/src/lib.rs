//! The lab: network namespaces, cgroups, a bpffs, a peer that accounts for
//! what arrives, agents that act inside their cgroup, and the real daemon.
//! Everything a lab makes is its own and goes when it is dropped.

pub mod actor;
pub mod agent;
pub mod bench;
pub mod binaries;
pub mod capture;
pub mod cgroup;
pub mod crippled;
pub mod confined;
pub mod daemon;
pub mod forge;
pub mod http;
pub mod lab;
pub mod layer;
pub mod memory;
pub mod ledger;
pub mod metrics;
pub mod oidc;
pub mod other_build;
pub mod peer;
pub mod pins;
pub mod random;
pub mod reborn;
pub mod revoker;
pub mod small_disk;
pub mod naive;
pub mod netns;

pub mod sweep;
pub mod tap;
pub mod testrun;
pub mod traffic;
pub mod wait;

pub use agent::{Agent, Answer};
pub use capture::Captured;
pub use daemon::Daemon;
pub use lab::Lab;
pub use metrics::{Change, Metrics, expect};
pub use random::Random;
pub use traffic::Traffic;
pub use wait::{eventually, now_ns};

/// The agent's side of the wire over IPv4.
pub const AGENT_V4: &str = "10.77.0.1";
/// The peer's address that policies of these tests allow, over IPv4.
pub const ALLOWED_V4: &str = "10.77.0.2";
/// The peer's address that no policy names, over IPv4.
pub const FORBIDDEN_V4: &str = "10.77.0.3";
/// The agent's side of the wire over IPv6.
pub const AGENT_V6: &str = "fd77::1";
/// The peer's address that policies of these tests allow, over IPv6.
pub const ALLOWED_V6: &str = "fd77::2";
/// The peer's address that no policy names, over IPv6.
pub const FORBIDDEN_V6: &str = "fd77::3";
/// A port of the peer that answers: TCP with HTTP, UDP with an echo.
pub const ECHO_PORT: u16 = 5000;
/// A port of the peer that takes everything and answers nothing.
pub const SINK_PORT: u16 = 5001;
/// A port of the peer that policies of these tests do not name.
pub const OTHER_PORT: u16 = 5002;

/// A policy body: the peer's allowed addresses, its first two ports, ICMP.
pub const BASIC: &str = r#"
[[allow]]
to    = ["10.77.0.2/32", "fd77::2/128"]
ports = ["tcp/5000-5001", "udp/5000-5001", "icmp"]
"#;
/// The third violation within ten seconds quarantines.
pub const TRIPWIRE: &str = r#"
[[respond]]
when = { event = "denied", count = 3, within = "10s" }
do   = ["quarantine"]
"#;

/// Says that a test did not run, and why.
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIP: {test}: {reason}");
}

/// Whether the process may make namespaces, cgroups and load programs; says so
/// as a skip of `test` otherwise.
pub fn privileged(test: &str) -> bool {
    if !nix::unistd::geteuid().is_root() {
        skip(test, "needs root");
        return false;
    }
    true
}
