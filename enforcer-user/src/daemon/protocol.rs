//! The control protocol: one JSON object a line, over a Unix socket that only
//! root may open. A request gets one [`Reply`] line; `events` gets one line an
//! event until the client hangs up (or, without `follow`, until the end).

mod adoption;
mod refusal;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use adoption::{AdoptedSocket, Adoption, SocketResult};
pub use refusal::Refusal;

use crate::events::Event;

/// Longest line either side accepts, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the daemon and its enforcement are.
    Status,
    /// Every agent.
    Agents,
    /// Every credential.
    Credentials,
    /// Past events, then (with `follow`) new ones.
    Events {
        /// Only this agent's.
        agent: Option<String>,
        /// Only at or after this time.
        #[serde(with = "time::serde::rfc3339::option", default)]
        since: Option<OffsetDateTime>,
        /// Go on with new ones.
        #[serde(default)]
        follow: bool,
    },
    /// Cut an agent off.
    Quarantine {
        /// Whom.
        agent: String,
        /// Why, for the audit trail.
        reason: String,
    },
    /// Make something that runs already an agent's.
    Adopt {
        /// Whose.
        agent: String,
        /// This process; or
        pid: Option<u32>,
        /// every process in this cgroup and below.
        cgroup: Option<PathBuf>,
        /// Leave connections that the policy allows, although the kernel will
        /// never judge their packets.
        #[serde(default)]
        keep_allowed: bool,
    },
    /// Let an agent back.
    Release {
        /// Whom.
        agent: String,
    },
    /// Kill a credential.
    Revoke {
        /// Which.
        credential: String,
        /// Why, for the audit trail.
        reason: String,
    },
    /// Read the files anew.
    Reload,
    /// What the rule with this id of this policy is (for `explain`).
    Rule {
        /// The policy's id in the kernel.
        policy_id: u32,
        /// The rule's id.
        rule: u32,
    },
    /// `enforcer exec` has refused a call.
    Refused(Refusal),
    /// Remove all enforcement and end; the client has asked for confirmation.
    Detach,
}

/// Bytes; enough for a sentence and the number of a ticket.
const LONGEST_REASON: usize = 500;

/// A reason as the audit trail takes it: what somebody else can make sense of later.
///
/// # Errors
/// What is wrong with it, for people.
pub fn why(reason: &str) -> Result<String, String> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err("say why, in a few words".to_owned());
    }
    if reason.len() > LONGEST_REASON || reason.contains(char::is_control) {
        return Err(format!("one line of at most {LONGEST_REASON} bytes"));
    }
    Ok(reason.to_owned())
}

/// The answer to every request but `events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To `status`.
    Status(Status),
    /// To `agents`.
    Agents {
        /// By name.
        agents: Vec<AgentStatus>,
    },
    /// To `credentials`.
    Credentials {
        /// By id.
        credentials: Vec<CredentialStatus>,
    },
    /// To `adopt`.
    Adopted(Adoption),
    /// To `reload`: the generation in force now.
    Reloaded {
        /// Its number.
        generation: u32,
    },
    /// To `rule`.
    Rule {
        /// One line of text; `None` where the id is unknown.
        text: Option<String>,
        /// `file:line`; `None` for the compiler's own rules.
        location: Option<String>,
    },
    /// Done, with a sentence for people.
    Done {
        /// The sentence.
        message: String,
    },
    /// To `reload`: the files are not in force, for what is in them.
    Refused {
        /// Every error.
        message: String,
        /// The generation that stays in force.
        generation: u32,
    },
    /// Not done.
    Failed {
        /// What, on which object, why.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the binary that runs.
    pub version: String,
    /// Every agent's enforcement is verified.
    pub ready: bool,
    /// Why not, one sentence each.
    pub not_ready: Vec<String>,
    /// Since when it runs.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// Programs and maps were adopted from an earlier daemon.
    pub adopted: bool,
    /// Policy generation in force.
    pub generation: u32,
    /// The last reload's error; `None` when it went well.
    pub reload_error: Option<String>,
    /// The enforced root, absolute.
    pub root: String,
    /// How many of the kernel's security hooks hold, and by which means (BPF LSM or
    /// fmod_ret), or why there is none.
    pub lsm: String,
    /// How connections to Unix sockets outside are judged, or why not.
    pub unix_sockets: String,
    /// Whether processes that leave their cgroup are watched for, or why not.
    pub escape_watch: String,
    /// Agents with a policy.
    pub agents: u32,
    /// Of which quarantined.
    pub quarantined: u32,
    /// Revocations not yet confirmed.
    pub revocations_pending: u32,
    /// Revocations given up, waiting for a person.
    pub revocations_dead: u32,
    /// Records lost to a full ring since the maps exist.
    pub records_lost: u64,
}

/// How an agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Its name.
    pub agent: String,
    /// `enforce` or `audit`.
    pub mode: String,
    /// Its cgroups that exist, relative to the cgroup2 mount.
    pub cgroups: Vec<String>,
    /// Processes in them.
    pub processes: u32,
    /// Why it is quarantined; `None` when it is not.
    pub quarantine: Option<String>,
    /// The self-check passed.
    pub verified: bool,
    /// Packets allowed.
    pub packets_allowed: u64,
    /// Packets and calls denied, all reasons.
    pub denied: u64,
    /// Violations that count towards the tripwire, ever.
    pub violations: u64,
    /// Credentials it holds.
    pub credentials: Vec<String>,
    /// Its policy file.
    pub policy: String,
}

/// How a credential is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialStatus {
    /// Its id.
    pub credential: String,
    /// Who holds it.
    pub agents: Vec<String>,
    /// `oauth2`, `api-key`, `lease` or `service-account`.
    pub kind: String,
    /// `active`, `revoking`, `revoked` or `revocation-failed`.
    pub state: String,
    /// Age in seconds; `None` without an issue date.
    pub age_seconds: Option<i64>,
    /// Days until `rotate_every` is over, negative when overdue.
    pub rotate_in_days: Option<i64>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub expires: Option<OffsetDateTime>,
    /// When traffic that uses it was last seen.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub last_used: Option<OffsetDateTime>,
    /// How it is revoked: `oauth2`, `webhook`, `command`, or `None`.
    pub revoker: Option<String>,
}

/// One line of the answer to [`Request::Events`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EventLine {
    /// An event.
    Event(Box<Event>),
    /// The client was too slow: so many events were passed over.
    Skipped {
        /// How many.
        skipped: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(why(" seen in a log "), Ok("seen in a log".to_owned()));
        for useless in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert!(why(useless).is_err(), "{useless:?}");
        }
    }
}
