//! The kernel's tables as anybody may read them, with the daemon dead or not.

use std::path::Path;

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray};
use enforcer_common::{
    AgentState, Control, Counter, OUTCOMES, Reason, RecordStats, Shortcut, outcome,
};
use enforcer_user::kernel::Pins;

use crate::lab::Lab;

/// An agent's slot.
///
/// # Panics
/// When it has none.
pub fn slot(lab: &Lab, agent: &str) -> u32 {
    let pins = Pins::open(&lab.bpf_dir()).expect("open the pins");
    pins.slot_of_agent(agent).expect("read the names").expect("the agent has a slot")
}

/// The control block: generation, binding epoch. `None` where nothing is pinned.
pub fn control(lab: &Lab) -> Option<Control> {
    let pin = lab.bpf_dir().join("maps/CONTROL");
    let map = Map::Array(MapData::from_pin(pin).ok()?);
    Array::<_, Control>::try_from(map).ok()?.get(&0, 0).ok()
}

/// Writes the control block, as another version of the daemon would have it.
pub fn set_control(lab: &Lab, control: Control) {
    let map = Map::Array(pinned(lab, "CONTROL"));
    let mut array = Array::<_, Control>::try_from(map).expect("an array of one control block");
    array.set(0, control, 0).expect("write the control block");
}

/// An agent's state: quarantine, violations.
pub fn state(lab: &Lab, agent: &str) -> AgentState {
    let map = Map::Array(pinned(lab, "STATES"));
    let states = Array::<_, AgentState>::try_from(map).expect("an array of states");
    states.get(&slot(lab, agent), 0).expect("the agent's state")
}

/// The sum over all CPUs of one of an agent's counters (`None`: unassigned
/// cgroups).
pub fn counter(lab: &Lab, agent: Option<&str>, reason: Reason) -> Counter {
    sums(lab, agent, &[reason])[0].1
}

/// Every counter of an agent that is not zero, the self-check's left out.
pub fn counters(lab: &Lab, agent: Option<&str>) -> Vec<(Reason, Counter)> {
    let mut sums = all_counters(lab, agent);
    sums.retain(|(reason, sum)| *reason != Reason::Canary && *sum != Counter::default());
    sums
}

/// Every counter of an agent.
pub fn all_counters(lab: &Lab, agent: Option<&str>) -> Vec<(Reason, Counter)> {
    sums(lab, agent, Reason::ALL)
}

/// Opens the pins once for all `reasons`: that takes longer than reading them.
fn sums(lab: &Lab, agent: Option<&str>, reasons: &[Reason]) -> Vec<(Reason, Counter)> {
    let map = Map::PerCpuArray(pinned(lab, "COUNTERS"));
    let counters = PerCpuArray::<_, Counter>::try_from(map).expect("an array of counters");
    let slot = agent.map_or(0, |agent| slot(lab, agent));
    let sum = |reason| {
        let values = counters.get(&(slot * OUTCOMES + outcome(reason, false)), 0);
        let sum = values.expect("a counter").iter().fold(Counter::default(), add);
        if reason == Reason::Rule { add(sum, &short_way(lab, slot)) } else { sum }
    };
    reasons.iter().map(|&reason| (reason, sum(reason))).collect()
}

/// What a rule allowed an agent and no table was asked for.
pub fn passed_the_short_way(lab: &Lab, agent: &str) -> Counter {
    short_way(lab, slot(lab, agent))
}

fn short_way(lab: &Lab, slot: u32) -> Counter {
    let map = Map::PerCpuArray(pinned(lab, "SHORTCUTS"));
    let shortcuts = PerCpuArray::<_, Shortcut>::try_from(map).expect("an array of shortcuts");
    let values = shortcuts.get(&slot, 0).expect("the agent's shortcuts");
    values.iter().fold(Counter::default(), |sum, cpu| {
        add(sum, &Counter { packets: cpu.packets, bytes: cpu.bytes, ..Counter::default() })
    })
}

fn add(sum: Counter, more: &Counter) -> Counter {
    Counter {
        packets: sum.packets + more.packets,
        bytes: sum.bytes + more.bytes,
        connections: sum.connections + more.connections,
        sockets: sum.sockets + more.sockets,
    }
}

/// Gives a cgroup to an agent in the kernel's table and nothing else, as a
/// daemon that dies in the middle of it.
pub fn bind(lab: &Lab, cgroup: &Path, agent: &str) {
    let id = enforcer_user::kernel::cgroup_id(cgroup).expect("the cgroup's id");
    let map = Map::HashMap(pinned(lab, "CGROUPS"));
    let mut cgroups = HashMap::<_, u64, u32>::try_from(map).expect("a table of cgroups");
    cgroups.insert(id, slot(lab, agent), 0).expect("write a binding");
}

/// What became of an agent's records.
pub fn records(lab: &Lab, agent: &str) -> RecordStats {
    let map = Map::PerCpuArray(pinned(lab, "RECORD_STATS"));
    let stats = PerCpuArray::<_, RecordStats>::try_from(map).expect("an array of statistics");
    let values = stats.get(&slot(lab, agent), 0).expect("the agent's statistics");
    values.iter().fold(RecordStats::default(), |sum, cpu| RecordStats {
        sent: sum.sent + cpu.sent,
        suppressed: sum.suppressed + cpu.suppressed,
        lost: sum.lost + cpu.lost,
    })
}

fn pinned(lab: &Lab, name: &str) -> MapData {
    let path = lab.bpf_dir().join("maps").join(name);
    MapData::from_pin(&path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()))
}
