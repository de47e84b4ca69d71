//! What no file shows alone: policies and credentials that contradict each
//! other.

use std::collections::HashMap;

use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::source::Spot;
use crate::policy::agent::WrittenPolicy;
use crate::policy::cgroups::Pattern;
use crate::policy::inventory::WrittenCredential;

/// Two policies for one agent, or two agents with one cgroup.
pub(super) fn policies(written: &[WrittenPolicy], errors: &mut Diagnostics) {
    let mut first: HashMap<&str, &Spot> = HashMap::new();
    for policy in written {
        let name = policy.policy.agent.as_str();
        let Some(other) = first.insert(name, &policy.agent) else { continue };
        let message = format!("agent `{name}` has two policies");
        let hint = "one agent, one file: join them or rename one";
        let error = Diagnostic::at(policy.agent.clone(), message);
        errors.push(error.and(other.clone(), "the other one").hint(hint));
    }
    overlaps(written, errors);
}

/// A cgroup pattern with its owner.
struct Owned<'p> {
    agent: &'p str,
    pattern: &'p Pattern,
    spot: &'p Spot,
}

/// Two literal cgroups meet where one is a prefix of the other, which a table
/// finds; only globs are compared one by one.
fn overlaps(written: &[WrittenPolicy], errors: &mut Diagnostics) {
    let all: Vec<_> = written
        .iter()
        .flat_map(|policy| {
            let agent = policy.policy.agent.as_str();
            policy.cgroups.iter().map(move |(pattern, spot)| Owned { agent, pattern, spot })
        })
        .collect();
    let (literal, globs): (Vec<_>, Vec<_>) = all.iter().partition(|o| o.pattern.is_literal());
    let by_path: HashMap<&str, &Owned<'_>> =
        literal.iter().map(|owned| (owned.pattern.text(), *owned)).collect();
    for inner in &literal {
        let path = inner.pattern.text();
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let outer = ends.filter_map(|end| by_path.get(&path[..end]));
        errors.extend(outer.filter_map(|outer| meet(outer, inner)));
    }
    for (at, glob) in globs.iter().enumerate() {
        let later = globs[at + 1..].iter().chain(&literal);
        errors.extend(later.filter_map(|other| meet(glob, other).or_else(|| meet(other, glob))));
    }
}

fn meet(outer: &Owned<'_>, inner: &Owned<'_>) -> Option<Diagnostic> {
    if outer.agent == inner.agent || !outer.pattern.may_hold(inner.pattern) {
        return None;
    }
    let (a, b) = (outer.pattern.text(), inner.pattern.text());
    let message = if a == b {
        format!("agents `{}` and `{}` have the same cgroup `{a}`", outer.agent, inner.agent)
    } else {
        let (first, second) = (outer.agent, inner.agent);
        format!("cgroup `{b}` of agent `{second}` may lie in `{a}` of agent `{first}`")
    };
    let error = Diagnostic::at(inner.spot.clone(), message);
    let hint = "a cgroup and all below it belong to one agent: move one of them";
    Some(error.and(outer.spot.clone(), "the other one").hint(hint))
}

/// Two credentials with one id.
pub(super) fn credentials(written: &[WrittenCredential], errors: &mut Diagnostics) {
    let mut first: HashMap<&str, &Spot> = HashMap::new();
    for credential in written {
        let id = credential.credential.id.as_str();
        let Some(other) = first.insert(id, &credential.id) else { continue };
        let error =
            Diagnostic::at(credential.id.clone(), format!("credential `{id}` stands twice"));
        errors.push(error.and(other.clone(), "the other one").hint("rename or remove one"));
    }
}

/// Holders without a policy, and rules whose credential the agent has not.
pub(super) fn holders(
    policies: &[WrittenPolicy],
    credentials: &[WrittenCredential],
    errors: &mut Diagnostics,
) {
    let agents: HashMap<_, _> = policies.iter().map(|p| (&p.policy.agent, p)).collect();
    for credential in credentials {
        for (agent, spot) in credential.credential.agents.iter().zip(&credential.agents) {
            if !agents.contains_key(agent) {
                let message = format!("no policy is for agent `{agent}`");
                let hint = "write its policy first; without one the agent reaches nothing";
                errors.push(Diagnostic::at(spot.clone(), message).hint(hint));
            }
        }
    }
    let held: HashMap<_, _> = credentials.iter().map(|c| (&c.credential.id, c)).collect();
    for policy in policies {
        for (rule, spot) in &policy.credentials {
            let named = policy.policy.rules.get(*rule).and_then(|rule| rule.credential.as_ref());
            let Some(id) = named else { continue };
            errors.extend(misnamed(policy, spot, id.as_str(), held.get(id).copied()));
        }
    }
}

fn misnamed(
    policy: &WrittenPolicy,
    spot: &Spot,
    id: &str,
    credential: Option<&WrittenCredential>,
) -> Option<Diagnostic> {
    let agent = &policy.policy.agent;
    let Some(credential) = credential else {
        let error = Diagnostic::at(spot.clone(), format!("no credential is named `{id}`"));
        return Some(error.hint("add it to the credentials folder, or correct the name"));
    };
    if credential.credential.agents.contains(agent) {
        return None;
    }
    let message = format!("agent `{agent}` does not hold credential `{id}`");
    let hint = "name a credential of this agent, or make this one `shared = true` with `agents`";
    let error = Diagnostic::at(spot.clone(), message);
    Some(error.and(credential.id.clone(), "held by others").hint(hint))
}
