//! The narrow way back to the kernel, given to the worker and nobody else.

use std::sync::Arc;

use crate::act::{Cut, QuarantineError, QuarantineHandle};
use crate::kernel::Kernel;
use crate::policy::AgentName;

/// May cut agents off.
pub(super) struct Hands(pub(super) Arc<Kernel>);

impl QuarantineHandle for Hands {
    fn quarantine(&self, agent: &AgentName, _reason: &str) -> Result<Cut, QuarantineError> {
        match self.0.quarantine(agent) {
            Ok(true) => Ok(Cut::New),
            Ok(false) => Ok(Cut::Already),
            Err(source) => {
                Err(QuarantineError { agent: agent.to_string(), source: Box::new(source) })
            }
        }
    }
}
