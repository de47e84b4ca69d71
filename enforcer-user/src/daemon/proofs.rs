//! What the self-check has proved, and what follows from it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::agents::Cgroup;
use crate::policy::AgentName;

/// A proof is renewed when it is this old.
pub(super) const RENEW: Duration = Duration::from_secs(60);

/// A proof that is older than this proves nothing any more.
const STALE: Duration = Duration::from_secs(150);

/// What is proved now.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is wrong for every agent at once.
    host: Vec<String>,
    /// That a cgroup which no policy names is denied.
    unassigned: Proof,
    /// One proof for each cgroup, by its id.
    cgroups: BTreeMap<u64, (Cgroup, Proof)>,
}

#[derive(Clone, Debug, Default)]
struct Proof {
    at: Option<Instant>,
    problem: Option<String>,
}

// === impl Proofs ===

impl Proofs {
    /// Says which cgroups are to be proved. What was proved of one that stays
    /// the same agent's is kept; a new one has to be proved first.
    pub(super) fn expect(&self, cgroups: &[Cgroup]) {
        let mut state = self.write();
        let mut old = std::mem::take(&mut state.cgroups);
        for cgroup in cgroups {
            let known = old.remove(&cgroup.id).filter(|(was, _)| was == cgroup);
            let proof = known.map(|(_, proof)| proof).unwrap_or_default();
            state.cgroups.insert(cgroup.id, (cgroup.clone(), proof));
        }
    }

    /// Cgroups whose proof is missing, came out badly, or is from `before`.
    pub(super) fn due(&self, before: Instant) -> Vec<Cgroup> {
        let state = self.read();
        state.cgroups.values().filter(|(_, p)| p.is_due(before)).map(|(c, _)| c.clone()).collect()
    }

    /// Whether the denial of unassigned cgroups is to be proved: never was, came
    /// out badly, or was proved `before`.
    pub(super) fn unassigned_due(&self, before: Instant) -> bool {
        self.read().unassigned.is_due(before)
    }

    /// Notes how a cgroup's proof came out; whether its problem is news.
    pub(super) fn note(&self, cgroup: &Cgroup, problem: Option<String>) -> bool {
        let mut state = self.write();
        let Some((_, proof)) = state.cgroups.get_mut(&cgroup.id) else { return false };
        let news = problem.is_some() && proof.problem != problem;
        *proof = Proof { at: Some(Instant::now()), problem };
        news
    }

    /// Notes how the proof of unassigned cgroups came out.
    pub(super) fn note_unassigned(&self, problem: Option<String>) {
        self.write().unassigned = Proof { at: Some(Instant::now()), problem };
    }

    /// Notes what is wrong with links and pins; `true` where that is news.
    pub(super) fn note_host(&self, problems: Vec<String>) -> bool {
        let mut state = self.write();
        let news = state.host != problems;
        state.host = problems;
        news
    }

    /// Whether every cgroup of the agent is proved to be enforced.
    pub(super) fn verified(&self, agent: &AgentName) -> bool {
        let state = self.read();
        let mut own = state.cgroups.values().filter(|(c, _)| c.agent == *agent);
        state.host.is_empty()
            && state.unassigned.missing().is_none()
            && own.all(|(_, p)| p.missing().is_none())
    }

    /// Everything that is not proved, one sentence each.
    pub(super) fn missing(&self) -> Vec<String> {
        let state = self.read();
        let unassigned = state.unassigned.missing().map(|why| format!("unassigned cgroups: {why}"));
        let cgroups = state.cgroups.values().filter_map(|(cgroup, proof)| {
            let why = proof.missing()?;
            Some(format!("agent {} in {}: {why}", cgroup.agent, cgroup.path.display()))
        });
        state.host.iter().cloned().chain(unassigned).chain(cgroups).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Proof ===

impl Proof {
    /// One that came out badly is tried again at once: one slow moment must not
    /// cost a minute.
    fn is_due(&self, before: Instant) -> bool {
        self.problem.is_some() || self.at.is_none_or(|at| at <= before)
    }

    fn missing(&self) -> Option<String> {
        match (self.at, &self.problem) {
            (_, Some(problem)) => Some(problem.clone()),
            (None, None) => Some("not checked yet".to_owned()),
            (Some(at), None) if at.elapsed() > STALE => Some("not checked lately".to_owned()),
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(agent: &str, id: u64) -> Cgroup {
        let agent = AgentName::parse(agent).expect("a name");
        Cgroup { path: format!("agents.slice/{agent}").into(), agent, id }
    }

    fn proved() -> (Proofs, Cgroup) {
        let proofs = Proofs::default();
        let a = cgroup("a", 1);
        proofs.expect(std::slice::from_ref(&a));
        proofs.note(&a, None);
        proofs.note_unassigned(None);
        (proofs, a)
    }

    #[test]
    fn nothing_is_verified_before_it_is_proved() {
        let proofs = Proofs::default();
        let a = cgroup("a", 1);
        proofs.expect(std::slice::from_ref(&a));
        assert!(!proofs.verified(&a.agent));
        assert_eq!(proofs.missing().len(), 2);
        proofs.note(&a, None);
        assert!(!proofs.verified(&a.agent), "unassigned cgroups are not proved yet");
        proofs.note_unassigned(None);
        assert!(proofs.verified(&a.agent));
        assert_eq!(proofs.missing(), Vec::<String>::new());
    }

    #[test]
    fn a_missing_link_unverifies_everybody() {
        let (proofs, a) = proved();
        assert!(proofs.note_host(vec!["connect4: its pin is gone".to_owned()]));
        assert!(!proofs.verified(&a.agent));
        assert!(proofs.note_host(Vec::new()));
        assert!(proofs.verified(&a.agent));
    }

    #[test]
    fn a_cgroup_made_anew_is_unverified() {
        let (proofs, a) = proved();
        let anew = cgroup("a", 2);
        proofs.expect(std::slice::from_ref(&anew));
        assert!(!proofs.verified(&a.agent));
        assert_eq!(proofs.due(Instant::now()), [anew]);
    }

    #[test]
    fn every_proof_is_renewed_before_it_is_stale() {
        let long_ago = Instant::now();
        let (proofs, a) = proved();
        assert_eq!((proofs.due(long_ago), proofs.unassigned_due(long_ago)), (vec![], false));
        // As it will be in a minute.
        let later = Instant::now() + RENEW;
        assert_eq!((proofs.due(later), proofs.unassigned_due(later)), (vec![a], true));
        assert!(RENEW * 2 < STALE, "one round may be late");
    }

    #[test]
    fn what_came_out_badly_is_due_at_once_and_news_once() {
        let (proofs, a) = proved();
        let long_ago = Instant::now() - RENEW;
        assert_eq!(proofs.due(long_ago), []);
        let problem = || Some("the prober did not answer".to_owned());
        assert!(proofs.note(&a, problem()));
        assert!(!proofs.note(&a, problem()));
        assert_eq!(proofs.due(long_ago), std::slice::from_ref(&a));
        assert!(!proofs.note(&a, None));
        assert_eq!(proofs.due(long_ago), []);
    }

    #[test]
    fn one_bad_cgroup_is_enough() {
        let (proofs, a) = proved();
        let b = cgroup("b", 2);
        proofs.expect(&[a.clone(), b.clone()]);
        proofs.note(&b, Some("udp over IPv4 was not refused".to_owned()));
        assert!(proofs.verified(&a.agent) && !proofs.verified(&b.agent));
        let why = "agent b in agents.slice/b: udp over IPv4 was not refused";
        assert_eq!(proofs.missing(), [why]);
    }
}
