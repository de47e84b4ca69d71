//! Which cgroups a policy names.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::compile::Plan;
use crate::policy::AgentName;

/// A cgroup pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cgroup {pattern:?} of agent {agent}: {why}")]
pub struct ClaimError {
    /// Whose pattern.
    pub agent: String,
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

/// The cgroup patterns of every agent.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    pub(super) of_agents: Vec<Claim>,
}

/// One pattern of one agent, relative to the cgroup2 mount.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) agent: AgentName,
    pub(super) what: Pattern,
}

#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// One cgroup, created when it is missing.
    Path(PathBuf),
    /// Those that match. Boxed: a matcher is big.
    Glob(Box<GlobMatcher>),
}

// === impl Claims ===

impl Claims {
    /// The patterns of a plan; `root` is the enforced root, relative to the
    /// mount as they are.
    ///
    /// # Errors
    /// A pattern that is no glob, leaves the enforced root, or is the root.
    pub fn of(plan: &Plan, root: &Path) -> Result<Self, ClaimError> {
        let mut claims = Self::default();
        for agent in &plan.agents {
            for pattern in &agent.cgroups {
                claims.add(&agent.agent, pattern, root)?;
            }
        }
        Ok(claims)
    }

    fn add(&mut self, agent: &AgentName, pattern: &str, root: &Path) -> Result<(), ClaimError> {
        let what = Pattern::parse(pattern, root).map_err(|why| ClaimError {
            agent: agent.as_str().to_owned(),
            pattern: pattern.to_owned(),
            why,
        })?;
        self.of_agents.push(Claim { agent: agent.clone(), what });
        Ok(())
    }
}

// === impl Pattern ===

impl Pattern {
    fn parse(text: &str, root: &Path) -> Result<Self, String> {
        let path = Path::new(text);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err("must be relative to the cgroup2 mount, without . and ..".to_owned());
        }
        if !path.starts_with(root) || path == root {
            return Err(format!("must be below the enforced root {}", root.display()));
        }
        if !text.contains(['*', '?', '[', '{', '\\']) {
            return Ok(Self::Path(path.to_owned()));
        }
        // A `*` must not reach into nested cgroups: those are their agent's anyway.
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        glob.map(|g| Self::Glob(Box::new(g.compile_matcher()))).map_err(|e| e.to_string())
    }

    pub(super) fn matches(&self, path: &Path) -> bool {
        match self {
            Self::Path(own) => own == path,
            Self::Glob(glob) => glob.is_match(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Pattern, String> {
        Pattern::parse(text, Path::new("agents.slice"))
    }

    #[test]
    fn a_pattern_stays_below_the_enforced_root() {
        for bad in ["agents.slice", "other/x", "/agents.slice/x", "agents.slice/../x", "", "."] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for good in ["agents.slice/x", "agents.slice/x/y", "agents.slice/job-*"] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_star_is_one_level() {
        let jobs = parse("agents.slice/job-*").expect("parses");
        assert!(jobs.matches(Path::new("agents.slice/job-1")));
        assert!(!jobs.matches(Path::new("agents.slice/job-1/inner")));
        assert!(!jobs.matches(Path::new("agents.slice/other")));
    }

    #[test]
    fn a_broken_glob_is_an_error() {
        assert!(parse("agents.slice/[").is_err());
    }
}
