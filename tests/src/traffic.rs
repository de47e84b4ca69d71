//! Traffic that flows for a whole test, whatever happens meanwhile, and its
//! account: what the agent sent against what the peer got.

use crate::agent::{Agent, Answer};
use crate::lab::Lab;
use crate::wait::eventually;
use crate::{ALLOWED_V4, ALLOWED_V6, FORBIDDEN_V4, FORBIDDEN_V6, SINK_PORT};

/// A destination of the traffic: address and UDP port.
pub type Flow = (&'static str, u16);

/// Every policy of these tests names this one.
pub const ALWAYS: Flow = (ALLOWED_V4, SINK_PORT);
/// No policy names this one.
pub const NEVER: Flow = (FORBIDDEN_V4, SINK_PORT);
/// Some policies name this one.
pub const SOMETIMES: Flow = (ALLOWED_V6, SINK_PORT);
/// The rule for [`ALWAYS`].
pub const ALLOW_ALWAYS: &str = "[[allow]]\nto = [\"10.77.0.2/32\"]\nports = [\"udp/5001\"]\n";

/// An agent that sends to several destinations until it is told to stop.
#[derive(Debug)]
pub struct Traffic {
    agent: Agent,
    flows: Vec<Flow>,
}

/// What became of one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams tried.
    pub attempts: u64,
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Datagrams refused with `EPERM`.
    pub refused: u64,
}

// === impl Traffic ===

impl Traffic {
    /// Starts a sender for each flow in the cgroup `name` below the root, and
    /// waits until each of them has begun.
    pub fn begin(lab: &Lab, name: &str, flows: &[Flow]) -> Self {
        let mut agent = lab.agent(name);
        for (n, (address, port)) in flows.iter().enumerate() {
            agent.expect_ok(&format!("steady {n} {address} {port} {}", gap_us()));
        }
        let traffic = Self { agent, flows: flows.to_vec() };
        if flows.contains(&ALWAYS) {
            traffic.more(lab, 1);
        }
        traffic
    }

    /// Waits until `count` more of what is always allowed have arrived.
    pub fn more(&self, lab: &Lab, count: usize) {
        let arrived = || lab.peer.packets_to(ALWAYS.0).len();
        let wanted = arrived() + count;
        eventually("traffic to flow", || (arrived() >= wanted).then_some(()));
    }

    /// The agent behind it, for other orders.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Stops all senders; what became of each flow.
    pub fn end(mut self) -> Vec<Sent> {
        let stop = |n: usize| Sent::of(&self.agent.expect_ok(&format!("steady-stop {n}")));
        (0..self.flows.len()).map(stop).collect()
    }

    /// As [`Traffic::end`], after comparing with the peer: of [`ALWAYS`]
    /// everything was sent and everything arrived, of [`NEVER`] nothing, of
    /// others what was sent.
    ///
    /// # Panics
    /// When the account is another.
    pub fn settle(self, lab: &Lab) -> Vec<Sent> {
        let flows = self.flows.clone();
        let sent = self.end();
        for (flow, sent) in flows.iter().zip(&sent) {
            assert_eq!(sent.sent + sent.refused, sent.attempts, "{flow:?}: {sent:?}");
            match *flow {
                ALWAYS => assert_eq!(sent.refused, 0, "a gap in {flow:?}: {sent:?}"),
                NEVER => assert_eq!(sent.sent, 0, "a leak to {flow:?}: {sent:?}"),
                _ => {}
            }
            assert_eq!(arrived(lab, *flow), sent.sent, "{flow:?}: {sent:?}");
        }
        for address in [FORBIDDEN_V4, FORBIDDEN_V6] {
            assert_eq!(lab.peer.packets_to(address), [], "nothing may reach {address}");
        }
        sent
    }
}

/// Microseconds between two datagrams of a flow. An emulated processor has
/// enough to do with fewer: each denial is an event.
fn gap_us() -> u64 {
    if std::env::var_os("ENFORCER_GUEST").is_some() { 40_000 } else { 2000 }
}

// === impl Sent ===

impl Sent {
    fn of(answer: &Answer) -> Self {
        Self {
            attempts: answer.number("attempts"),
            sent: answer.number("sent"),
            refused: answer.errors("EPERM"),
        }
    }
}

/// How many datagrams of a flow the peer got.
pub fn arrived(lab: &Lab, (address, port): Flow) -> u64 {
    lab.peer.packets_to(address).iter().filter(|p| p.dport == port && p.proto == 17).count() as u64
}
