//! The narrow way back to the kernel, given to the worker and nobody else.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::act::{Cut, QuarantineError, QuarantineHandle};
use crate::kernel::Kernel;
use crate::policy::AgentName;

/// May cut agents off.
pub(super) struct Hands {
    pub(super) kernel: Arc<Kernel>,
    /// Names agents whose open sockets are to be destroyed.
    pub(super) disconnect: UnboundedSender<AgentName>,
}

impl QuarantineHandle for Hands {
    fn quarantine(&self, agent: &AgentName, _reason: &str) -> Result<Cut, QuarantineError> {
        match self.kernel.quarantine(agent) {
            Ok(true) => {
                // The receiver's end ends the daemon; the next one disconnects.
                drop(self.disconnect.send(agent.clone()));
                Ok(Cut::New)
            }
            Ok(false) => Ok(Cut::Already),
            Err(source) => {
                Err(QuarantineError { agent: agent.to_string(), source: Box::new(source) })
            }
        }
    }
}
