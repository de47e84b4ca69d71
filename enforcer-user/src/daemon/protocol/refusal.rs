//! What `enforcer exec` tells of the calls that it refuses.

use serde::{Deserialize, Serialize};

use crate::events::Process;

/// A system call that a process under `enforcer exec` was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose process.
    pub agent: String,
    /// The call's name, or its number.
    pub call: String,
    /// It would have made a socket that no program of the kernel judges; else it
    /// was an attempt on the enforcement or on another process.
    pub socket: bool,
    /// Which, where `/proc` still knew it.
    pub process: Option<Process>,
    /// Calls before it that were not told.
    #[serde(default)]
    pub suppressed: u32,
}
