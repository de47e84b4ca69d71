//! What the correlator knows of the past, in a form that outlives the daemon.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::familiar::Familiar;

/// Of every agent that has a rule which compares with the past. Holds addresses
/// and counts, no secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    pub(super) agents: BTreeMap<String, Past>,
}

/// Of one agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Past {
    pub(super) familiar: Option<Familiar>,
    pub(super) baselines: Vec<Baseline>,
}

// === impl Past ===

impl Past {
    pub(super) fn is_empty(&self) -> bool {
        self.familiar.is_none() && self.baselines.is_empty()
    }
}
