//! Answers to the control socket's requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use enforcer_common::{Hook, Reason, Verdict};
use tokio::task::spawn_blocking;

use super::control::Answers;
use super::core::Core;
use super::disconnect::counted;
use super::protocol::{Refusal, Reply, Request, why};
use super::{adopt, holds, pump, reload, show};
use crate::act::Accepted;
use crate::events::{Event, EventHub, EventKind};
use crate::kernel::{self, monotonic_ns};
use crate::policy::AgentName;

/// Where clients are answered.
pub(super) struct Desk(pub(super) Arc<Core>);

impl Answers for Desk {
    async fn answer(&self, request: Request) -> Reply {
        if let Request::Revoke { credential, reason } = request {
            return match why(&reason) {
                Ok(reason) => revoke(&self.0, &credential, &reason).await,
                Err(flaw) => failed(format!("reason: {flaw}")),
            };
        }
        // Everything else asks the kernel or the disk, and so may block.
        let core = Arc::clone(&self.0);
        spawn_blocking(move || answer(&core, request))
            .await
            .unwrap_or_else(|error| failed(format!("answer a request: {error}")))
    }

    fn told(&self) {
        if self.0.detached.load(Ordering::Relaxed) {
            self.0.end.notify_one();
        }
    }

    fn hub(&self) -> &EventHub {
        &self.0.hub
    }
}

fn answer(core: &Core, request: Request) -> Reply {
    match request {
        Request::Status => show::status(core),
        Request::Agents => show::agents(core),
        Request::Credentials => show::credentials(core),
        Request::Rule { policy_id, rule } => show::rule(core, policy_id, rule),
        Request::Quarantine { agent, reason } => match why(&reason) {
            Ok(reason) => quarantine(core, &agent, &reason),
            Err(flaw) => failed(format!("reason: {flaw}")),
        },
        Request::Adopt { agent, pid, cgroup, keep_allowed } => {
            adopt::adopt(core, &adopt::Order { agent, pid, cgroup, keep_allowed })
        }
        Request::Release { agent } => release(core, &agent),
        Request::Reload => match reload::reload(core) {
            Ok(generation) => Reply::Reloaded { generation },
            Err(message) => Reply::Refused { message, generation: core.kernel.generation() },
        },
        Request::Refused(refusal) => refused(core, refusal),
        Request::Detach => detach(core),
        Request::Events { .. } | Request::Revoke { .. } => failed("not answered here".to_owned()),
    }
}

fn quarantine(core: &Core, agent: &str, reason: &str) -> Reply {
    let Some(name) = known(core, agent) else { return no_agent(agent) };
    match holds::quarantine(core, &name, reason) {
        Ok((newly, sockets)) => {
            let how = if newly { "is quarantined" } else { "was quarantined already" };
            done(format!("agent {agent} {how}; {} destroyed", counted(sockets)))
        }
        Err(message) => failed(message),
    }
}

fn release(core: &Core, agent: &str) -> Reply {
    let Some(name) = known(core, agent) else { return no_agent(agent) };
    match holds::release(core, &name) {
        Ok(true) => done(format!("agent {agent} is released")),
        Ok(false) => {
            done(format!("agent {agent} was not quarantined; what it has done so far is forgiven"))
        }
        Err(message) => failed(message),
    }
}

/// Agents the kernel knows: also those whose policy is gone.
fn known(core: &Core, agent: &str) -> Option<AgentName> {
    AgentName::parse(agent).ok().filter(|name| core.kernel.slot(name).is_some())
}

fn no_agent(agent: &str) -> Reply {
    Reply::Failed {
        message: format!("no agent is named {agent:?}"),
        hint: Some("`enforcer agents` lists them".to_owned()),
    }
}

async fn revoke(core: &Core, credential: &str, reason: &str) -> Reply {
    match core.act.revoke(credential, reason).await {
        Ok(Accepted::Queued) => {
            done(format!("credential {credential} is being revoked; `enforcer events` tells how"))
        }
        Ok(Accepted::Pending) => done(format!(
            "credential {credential} was being revoked already; it is tried again now"
        )),
        Ok(Accepted::Revoked) => done(format!("credential {credential} is dead already")),
        Err(error) => Reply::Failed {
            message: error.to_string(),
            hint: Some("`enforcer credentials` lists them and how they are revoked".to_owned()),
        },
    }
}

/// As if a program of the kernel had refused it.
fn refused(core: &Core, refusal: Refusal) -> Reply {
    let Some(agent) = known(core, &refusal.agent) else { return no_agent(&refusal.agent) };
    let (kind, reason) = if refusal.socket {
        (EventKind::Denied, Reason::SocketType)
    } else {
        (EventKind::Tamper, Reason::Tamper)
    };
    let event = Event {
        verdict: Some(Verdict::Deny.as_str().to_owned()),
        reason: Some(reason.as_str().to_owned()),
        hook: Some(Hook::Seccomp.as_str().to_owned()),
        process: refusal.process,
        policy_generation: core.kernel.generation(),
        suppressed: refusal.suppressed,
        message: Some(format!("system call {}", refusal.call)),
        ..Event::at(kind, monotonic_ns()).of(agent.as_str())
    };
    pump::observe(core, event);
    done("noted".to_owned())
}

fn detach(core: &Core) -> Reply {
    core.publish(Event::now(EventKind::Tamper, "all enforcement is removed, on request"));
    match kernel::detach(&core.settings.bpf_dir) {
        Ok(()) => {
            core.detached.store(true, Ordering::Relaxed);
            done("all enforcement is removed; the daemon ends".to_owned())
        }
        Err(error) => failed(error.to_string()),
    }
}

fn done(message: String) -> Reply {
    Reply::Done { message }
}

fn failed(message: String) -> Reply {
    Reply::Failed { message, hint: None }
}
