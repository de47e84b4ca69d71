//! How far a sink is, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Shared between a sink's task and those who look at it.
#[derive(Debug)]
pub struct SinkStatus {
    name: String,
    flushed: watch::Receiver<u64>,
    pub(super) position: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// A sink at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkView {
    /// Its name.
    pub sink: String,
    /// Entries on disk that were not delivered yet.
    pub lag: u64,
    /// Entries delivered since the daemon started.
    pub delivered: u64,
    /// Entries that never will be: removed by retention, or refused.
    pub lost: u64,
    /// Attempts that failed since the daemon started.
    pub failures: u64,
}

// === impl SinkStatus ===

impl SinkStatus {
    pub(super) fn new(name: &str, flushed: watch::Receiver<u64>) -> Self {
        let [position, delivered, lost, failures] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { name: name.to_owned(), flushed, position, delivered, lost, failures }
    }

    /// As it is now.
    pub fn view(&self) -> SinkView {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SinkView {
            sink: self.name.clone(),
            lag: self.flushed.borrow().saturating_sub(count(&self.position)),
            delivered: count(&self.delivered),
            lost: count(&self.lost),
            failures: count(&self.failures),
        }
    }
}
