//! What the policy in force says of sockets that are open.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use enforcer_common::{Hook, Reason, Verdict};

use crate::kernel::{KernelError, Pins};
use crate::policy::AgentName;
use crate::sockets::Socket;

/// Asks the tables in force, once for each destination.
pub(super) struct Judge {
    pins: Pins,
    known: HashMap<(AgentName, u8, SocketAddr), Option<Reason>>,
}

// === impl Judge ===

impl Judge {
    /// Opens the tables that the kernel is using.
    ///
    /// # Errors
    /// Nothing is enforced.
    pub(super) fn open(bpf_dir: &Path) -> Result<Self, KernelError> {
        Ok(Self { pins: Pins::open(bpf_dir)?, known: HashMap::new() })
    }

    /// Why the agent's packets on a connected socket would be denied; `None`
    /// where they are allowed, and where it is not connected. An agent that
    /// the tables do not know may send nothing.
    pub(super) fn denial(&mut self, agent: &AgentName, socket: &Socket) -> Option<Reason> {
        let (flow, remote) = (socket.flow()?, socket.remote?);
        let key = (agent.clone(), flow.protocol.0, remote);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        // A hook that charges no cap: an exhausted one is no reason to cut.
        let reason = match self.pins.explain(agent.as_str(), Hook::Sendmsg6, &flow) {
            Ok(found) if found.decision.verdict == Verdict::Allow => None,
            Ok(found) => Some(found.decision.reason),
            Err(_) => Some(Reason::UnboundAgent),
        };
        self.known.insert(key, reason);
        reason
    }
}
