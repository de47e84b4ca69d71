//! Proof instead of trust: from inside each agent's cgroup the canary must be
//! refused, and our own counters must have counted that.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use enforcer_common::Reason;
use tokio::time::{MissedTickBehavior, interval};

use super::core::Core;
use super::probe::{Prober, Report};
use super::proofs::RENEW;
use crate::agents::{CANARY_CGROUP, Cgroup};
use crate::events::{Event, EventKind};
use crate::policy::AgentName;

/// How often it is looked what is due.
const ROUND: Duration = Duration::from_secs(1);

/// Proves without end what is new, and anew what was proved a while ago.
pub(super) async fn run(core: Arc<Core>) -> Result<(), String> {
    let kernel = Arc::clone(&core.kernel);
    let mut prober =
        Prober::new(Box::new(move |pid| kernel.trust(pid).map_err(std::io::Error::other)));
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = core.check_now.notified() => {}
        }
        round(&core, &mut prober).await;
    }
}

async fn round(core: &Arc<Core>, prober: &mut Prober) {
    let before = Instant::now().checked_sub(RENEW).unwrap_or_else(Instant::now);
    if core.proofs.unassigned_due(before) {
        let problem = unassigned(core, prober).await;
        core.proofs.note_unassigned(problem);
    }
    for cgroup in core.proofs.due(before) {
        let problem = prove(core, prober, &cgroup).await;
        let message = problem
            .as_ref()
            .map(|problem| format!("self-check in {}: {problem}", cgroup.path.display()));
        let news = core.proofs.note(&cgroup, problem);
        if let Some(message) = message.filter(|_| news) {
            core.publish(Event::now(EventKind::Daemon, message).of(cgroup.agent.as_str()));
        }
    }
}

/// What is wrong with one cgroup of an agent.
async fn prove(core: &Arc<Core>, prober: &mut Prober, cgroup: &Cgroup) -> Option<String> {
    let path = core.mount.join(&cgroup.path);
    let agent = Some(&cgroup.agent);
    counted(core, prober, &path, agent, Reason::Canary).await.err()
}

/// What is wrong with the denial of cgroups that no policy names.
async fn unassigned(core: &Arc<Core>, prober: &mut Prober) -> Option<String> {
    let path = core.kernel.paths().root.join(CANARY_CGROUP);
    match super::probe::make(&path).and_then(|()| std::fs::metadata(&path)) {
        Ok(made) => core.canary.store(made.ino(), Ordering::Relaxed),
        Err(error) => return Some(format!("create cgroup {}: {error}", path.display())),
    }
    let problem = counted(core, prober, &path, None, Reason::UnboundAgent).await.err();
    let removed = std::fs::remove_dir(&path);
    problem.or(removed.err().map(|e| format!("remove cgroup {}: {e}", path.display())))
}

/// Probes, and compares what was refused with what the kernel has counted
/// meanwhile: an `EPERM` alone may be somebody else's.
async fn counted(
    core: &Arc<Core>,
    prober: &mut Prober,
    path: &Path,
    agent: Option<&AgentName>,
    reason: Reason,
) -> Result<(), String> {
    let before = count(core, agent, reason)?;
    let report = prober.probe(path).await.map_err(|e| e.to_string())?;
    if report.frozen {
        return Ok(());
    }
    let after = count(core, agent, reason)?;
    judge(&report, after.saturating_sub(before))
}

fn judge(report: &Report, counted: u64) -> Result<(), String> {
    if let Some(problem) = report.problem() {
        return Err(problem);
    }
    let refused = report.refused() as u64;
    if refused == 0 || counted < refused {
        return Err(format!("{refused} refused, but only {counted} of them by this enforcer"));
    }
    Ok(())
}

/// Refusals for this reason so far, of every kind.
fn count(core: &Core, agent: Option<&AgentName>, reason: Reason) -> Result<u64, String> {
    let rows = core.kernel.counters_of(agent).map_err(|e| e.to_string())?;
    let own = rows.iter().filter(|r| r.reason == reason);
    Ok(own.map(|r| r.packets + r.connections + r.sockets).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::probe::{Outcome, Shot};

    fn report(outcomes: &[Outcome]) -> Report {
        let shot = |o: &Outcome| Shot { name: "a shot".to_owned(), outcome: o.clone() };
        Report { shots: outcomes.iter().map(shot).collect(), ..Report::default() }
    }

    #[test]
    fn refusals_that_we_did_not_count_are_not_ours() {
        let refused = report(&[Outcome::Refused, Outcome::Refused]);
        assert_eq!(judge(&refused, 2), Ok(()));
        assert!(judge(&refused, 1).is_err());
    }

    #[test]
    fn one_shot_that_passes_is_a_failure() {
        let passed = report(&[Outcome::Refused, Outcome::Passed]);
        assert_eq!(judge(&passed, 9), Err("a shot was not refused".to_owned()));
    }

    #[test]
    fn a_report_without_refusals_proves_nothing() {
        assert!(judge(&report(&[]), 0).is_err());
        assert!(judge(&report(&[Outcome::Absent]), 0).is_err());
        assert!(judge(&report(&[Outcome::Unclear("no route".to_owned())]), 1).is_err());
    }
}
