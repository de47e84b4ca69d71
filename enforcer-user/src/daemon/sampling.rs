//! Once a second: what agents did whose rules ask for it.

use std::collections::HashMap;

use enforcer_common::Counter;

use super::core::Core;
use crate::correlate::Sample;
use crate::events::wall_clock;
use crate::kernel::monotonic_ns;
use crate::policy::AgentName;

/// Counters at the last look.
#[derive(Default)]
pub(super) struct Totals(HashMap<AgentName, Counter>);

// === impl Totals ===

impl Totals {
    /// Looks at the counters and acts on what follows from them. The first look
    /// at an agent only says where its counters stand.
    pub(super) fn look(&mut self, core: &Core) {
        let sampled = core.correlator().sampled();
        self.0.retain(|agent, _| sampled.contains(agent));
        for agent in sampled {
            match core.kernel.allowed(&agent) {
                Ok(Some(now)) => self.note(core, agent, now),
                Ok(None) => {}
                Err(error) => tracing::warn!(%agent, "read its counters: {error}"),
            }
        }
    }

    fn note(&mut self, core: &Core, agent: AgentName, now: Counter) {
        if let Some(before) = self.0.get(&agent) {
            let sample = since(before, &now);
            let findings = core.correlator().sample(&agent, &sample);
            findings.into_iter().for_each(|finding| core.act_on(finding));
        }
        self.0.insert(agent, now);
    }
}

fn since(before: &Counter, now: &Counter) -> Sample {
    // A slot that changed hands in between counts from zero.
    let more = |before: u64, now: u64| now.checked_sub(before).unwrap_or(now);
    let ktime_ns = monotonic_ns();
    Sample {
        ktime_ns,
        time: wall_clock(ktime_ns),
        bytes: more(before.bytes, now.bytes),
        packets: more(before.packets, now.packets),
        connections: more(before.connections, now.connections),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_changed_hands_counts_from_zero() {
        let counter = |bytes, packets, connections| Counter {
            bytes,
            packets,
            connections,
            ..Counter::default()
        };
        let sample = since(&counter(10, 2, 1), &counter(15, 4, 1));
        assert_eq!((sample.bytes, sample.packets, sample.connections), (5, 2, 0));
        let sample = since(&counter(10, 2, 1), &counter(7, 1, 1));
        assert_eq!((sample.bytes, sample.packets, sample.connections), (7, 1, 0));
    }
}
