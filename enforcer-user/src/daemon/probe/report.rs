//! What parent and child tell each other, a JSON object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// To the child: try it from this cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// Absolute path of its folder.
    pub(super) cgroup: PathBuf,
}

/// From the child: what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What was tried, in order; empty where the cgroup is frozen.
    pub shots: Vec<Shot>,
    /// Why nothing could be tried.
    pub failure: Option<String>,
    /// Nothing runs in a frozen cgroup, so nothing was tried.
    pub frozen: bool,
}

/// One attempt to reach the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shot {
    /// What was tried.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a shot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// `EPERM`, as it must be.
    Refused,
    /// The host has no such protocol: nothing can get out by it.
    Absent,
    /// It went out.
    Passed,
    /// Something else kept it from going out, so nothing is proved.
    Unclear(String),
}

// === impl Report ===

impl Report {
    /// What is wrong, if anything.
    pub fn problem(&self) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(failure.clone());
        }
        self.shots.iter().find_map(|shot| match &shot.outcome {
            Outcome::Refused | Outcome::Absent => None,
            Outcome::Passed => Some(format!("{} was not refused", shot.name)),
            Outcome::Unclear(why) => Some(format!("{} proves nothing: {why}", shot.name)),
        })
    }

    /// Shots that were refused.
    pub fn refused(&self) -> usize {
        self.shots.iter().filter(|shot| shot.outcome == Outcome::Refused).count()
    }
}
