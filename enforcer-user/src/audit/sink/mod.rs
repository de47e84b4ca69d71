//! Sinks: the trail, passed on. Each has a task of its own that reads from the
//! files and not from the daemon, a batch at a time, and a position on disk
//! behind which everything was delivered. One that is down costs nothing but
//! lag; what retention removes before it was delivered is counted and told.

mod follow;
mod http;
mod status;
mod syslog;
mod target;
mod task;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use self::task::Task;
use super::handle::Audit;
use crate::config::SinkSettings;
use crate::events::Event;

pub use status::{SinkStatus, SinkView};

/// A sink that was started.
#[derive(Debug)]
pub struct Sink {
    /// How far it is.
    pub status: Arc<SinkStatus>,
    /// Its task; no end is meant.
    pub task: JoinHandle<String>,
}

/// Starts the sinks of the settings on the current runtime. `told` hears when
/// one does not take entries any more, takes them again, or lost some.
pub fn start_sinks(
    state_dir: &Path,
    sinks: &[SinkSettings],
    audit: &Audit,
    told: &UnboundedSender<Event>,
) -> Vec<Sink> {
    let start = |settings: &SinkSettings| {
        let flushed = audit.flushed();
        let status = Arc::new(SinkStatus::new(&settings.name, flushed.clone()));
        let task = Task::new(state_dir, settings, status.clone(), flushed, told.clone());
        Sink { status, task: tokio::spawn(task.run()) }
    };
    sinks.iter().map(start).collect()
}
