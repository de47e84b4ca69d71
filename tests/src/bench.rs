//! The test process as the agent, in front of the product's own programs: no
//! daemon, no wire, packets are judged and not sent.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use enforcer_common::{Counter, Reason, Verdict};
use enforcer_user::compile::{Plan, compile};
use enforcer_user::config::Settings;
use enforcer_user::kernel::{Kernel, cgroup_id};
use enforcer_user::policy::{AgentName, load};

use crate::lab::Lab;
use crate::testrun::Judge;
use crate::{cgroup, pins};

/// The agent that the process is.
const AGENT: &str = "worker";
/// A process is in one cgroup at a time.
static PLACE: Mutex<()> = Mutex::new(());

/// The product's kernel side with one agent, and this process as that agent.
pub struct Bench {
    judge: Judge,
    /// The plan in force.
    pub plan: Plan,
    /// The kernel side.
    pub kernel: Kernel,
    /// The agent.
    pub agent: AgentName,
    /// The folder, the pins and the cgroup.
    pub lab: Lab,
    settings: Settings,
    _place: MutexGuard<'static, ()>,
}

// === impl Bench ===

impl Bench {
    /// Puts `policy` (rules and limits) in force for this process.
    pub fn new(policy: &str) -> Self {
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Lab::new();
        let settings = Settings::load(&lab.config()).expect("the lab's settings are valid");
        let (kernel, _) = Kernel::start(&settings).expect("the kernel takes the programs");
        // Like the daemon's own child: it goes into cgroups and comes back.
        kernel.trust(std::process::id()).expect("this process may leave again");
        let plan = compiled(&lab, &settings, policy);
        put_in_force(&lab, &kernel, &plan);
        let agent = plan.agents[0].agent.clone();
        let path = lab.cgroup(AGENT);
        let id = cgroup_id(&path).expect("the cgroup's id");
        kernel.bind(&[(id, agent.clone())]).expect("the cgroup is bound");
        // As the daemon's own child: it comes back, and asks the kernel by `bpf(2)`.
        kernel.trust(std::process::id()).expect("tag this process");
        cgroup::enter(&path).expect("enter the agent's cgroup");
        let judge = Judge::of(&lab.bpf_dir());
        Self { judge, plan, kernel, agent, lab, settings, _place: place }
    }

    /// Puts another policy in force, as the next generation.
    pub fn change_policy(&mut self, policy: &str) {
        self.plan = self.compiled(policy);
        put_in_force(&self.lab, &self.kernel, &self.plan);
    }

    /// What a policy comes to.
    pub fn compiled(&self, policy: &str) -> Plan {
        compiled(&self.lab, &self.settings, policy)
    }

    /// Puts a plan in force, as the next generation.
    pub fn apply(&self, plan: &Plan) {
        put_in_force(&self.lab, &self.kernel, plan);
    }

    /// The kernel's verdict on a packet of this process.
    pub fn verdict(&self, packet: &[u8]) -> Verdict {
        self.judge.verdict(packet)
    }

    /// The verdict on the last of `times` equal packets of one socket of this
    /// process, and what one of them took.
    pub fn verdict_of_repeated(&self, packet: &[u8], times: u32) -> (Verdict, Duration) {
        self.judge.verdict_of_repeated(packet, times)
    }

    /// The kernel's verdict on a packet of `segments` packets on the wire.
    pub fn verdict_of_segments(&self, packet: &[u8], segments: u32) -> Verdict {
        self.judge.verdict_of_segments(packet, segments, 1)
    }

    /// The verdict on the last of `times` such packets of one socket.
    pub fn verdict_of_repeated_segments(
        &self,
        packet: &[u8],
        segments: u32,
        times: u32,
    ) -> Verdict {
        self.judge.verdict_of_segments(packet, segments, times)
    }

    /// Moves this process into the cgroup `name` below the root.
    pub fn move_to(&self, name: &str) {
        cgroup::enter(&self.lab.cgroup(name)).expect("enter the cgroup");
    }

    /// The agent's counters.
    pub fn counters(&self) -> Vec<(Reason, Counter)> {
        pins::all_counters(&self.lab, Some(AGENT))
    }

    /// Which counters have moved, and by how much.
    pub fn moved_since(&self, before: &[(Reason, Counter)]) -> Vec<(Reason, Counter)> {
        let moved = self.counters().into_iter().zip(before).map(|((reason, now), (_, then))| {
            let by = Counter {
                packets: now.packets - then.packets,
                bytes: now.bytes - then.bytes,
                connections: now.connections - then.connections,
                sockets: now.sockets - then.sockets,
            };
            (reason, by)
        });
        moved.filter(|(_, by)| *by != Counter::default()).collect()
    }
}

fn compiled(lab: &Lab, settings: &Settings, policy: &str) -> Plan {
    lab.write_policy(AGENT, policy);
    let inventory = load(settings).expect("the test's policy is valid");
    compile(&inventory, settings).expect("the test's policy fits")
}

fn put_in_force(lab: &Lab, kernel: &Kernel, plan: &Plan) {
    let id = cgroup_id(&lab.cgroup(AGENT)).expect("the cgroup's id");
    let bindings = [(id, plan.agents[0].agent.clone())];
    let _generation = kernel.apply(plan, &bindings).expect("the plan is applied");
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _back = cgroup::enter(&cgroup::mount_point());
    }
}
