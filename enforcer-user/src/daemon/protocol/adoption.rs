//! The answer to `adopt`.

use serde::{Deserialize, Serialize};

/// What became of what was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// Whose it is now.
    pub agent: String,
    /// Where it is now, absolute.
    pub cgroup: String,
    /// Process ids.
    pub processes: Vec<u32>,
    /// Every socket that they held.
    pub sockets: Vec<AdoptedSocket>,
    /// What else there is to know, one sentence each.
    pub notes: Vec<String>,
}

/// What became of a socket that was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedSocket {
    /// Who holds it.
    pub pid: u32,
    /// Its descriptor there.
    pub fd: u32,
    /// How many descriptors there are of it.
    pub holders: u32,
    /// `tcp`, `udp`, `unix stream`, `packet raw`, …
    pub kind: String,
    /// Its own address or name.
    pub local: Option<String>,
    /// The other end.
    pub peer: Option<String>,
    /// What became of it.
    pub result: SocketResult,
    /// Why.
    pub why: String,
}

/// What became of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketResult {
    /// Ended, and of no use any more.
    Destroyed,
    /// Left as it is, because the policy allows it.
    Kept,
    /// Left as it is, because no policy says anything of it, or nothing ends it.
    Open,
}
