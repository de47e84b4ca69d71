//! Takes over what runs already: freeze, move, look at every socket, end what
//! the policy denies and what the kernel would never judge, thaw.

mod target;
mod stage;
mod look;
mod fate;
mod report;

use std::path::PathBuf;

use super::core::Core;
use super::judge::Judge;
use super::protocol::Reply;
use crate::kernel::KernelError;
use crate::policy::AgentName;
use stage::Staged;
use target::Target;
pub(super) use target::cgroup_of;

/// What is asked for.
pub(super) struct Order {
    pub(super) agent: String,
    pub(super) pid: Option<u32>,
    pub(super) cgroup: Option<PathBuf>,
    pub(super) keep_allowed: bool,
}

/// Why nothing was adopted, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    message: String,
    hint: Option<String>,
}

/// Carries out an order. Blocks.
pub(super) fn adopt(core: &Core, order: &Order) -> Reply {
    match carry_out(core, order) {
        Ok(reply) => reply,
        Err(Refusal { message, hint }) => Reply::Failed { message, hint },
    }
}

fn carry_out(core: &Core, order: &Order) -> Result<Reply, Refusal> {
    let agent = known(core, &order.agent)?;
    let home = home(core, &agent)?;
    let problems = core.kernel.verify();
    if !problems.is_empty() {
        let message = format!("nothing is adopted: {}", problems.join("; "));
        return Err(Refusal::new(message).hint("`enforcer status` shows how the enforcement is"));
    }
    let target = Target::of(core, order)?;
    target.check(core, &agent, &home)?;
    let judge = Judge::open(&core.settings.bpf_dir)?;
    let staged = Staged::take(&core.mount, &home, &target)?;
    let pids = staged.processes();
    let mut notes = staged.notes().to_vec();
    notes.extend(report::notes(&target, &pids));
    let mut look = look::at(&pids);
    let judged = fate::Judged { core, agent: &agent, judge, keep_allowed: order.keep_allowed };
    let fates = judged.carry_out(&mut look);
    notes.append(&mut look.problems);
    let cgroup = staged.settle();
    let adoption = report::adoption(&agent, &cgroup, pids, look, fates, notes);
    core.publish(report::event(core, &adoption));
    Ok(Reply::Adopted(adoption))
}

fn known(core: &Core, agent: &str) -> Result<AgentName, Refusal> {
    let named = AgentName::parse(agent).ok();
    named.filter(|name| core.policies.in_force().agents().any(|a| a == name)).ok_or_else(|| {
        Refusal::new(format!("no policy in force names agent {agent:?}"))
            .hint("write one and `enforcer reload`; `enforcer agents` lists those in force")
    })
}

/// The agent's cgroup nearest to the enforced root, absolute.
fn home(core: &Core, agent: &AgentName) -> Result<PathBuf, Refusal> {
    let cgroups = core.cgroups().into_iter().filter(|cgroup| cgroup.agent == *agent);
    let nearest = cgroups.min_by_key(|cgroup| cgroup.path.components().count());
    nearest.map(|cgroup| core.mount.join(cgroup.path)).ok_or_else(|| {
        Refusal::new(format!("agent {agent} has no cgroup"))
            .hint("its policy's `cgroups` is a pattern that matches none: make one")
    })
}

// === impl Refusal ===

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<KernelError> for Refusal {
    fn from(error: KernelError) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(Into::into) }
    }
}
