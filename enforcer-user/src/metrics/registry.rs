//! The registry: what is counted here, and the text of a scrape.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use super::families;
use super::floor::Floor;
use super::snapshot::Snapshot;
use crate::act::RevocationReport;

/// From 1 ms to 100 s: a local server answers in milliseconds, retries take
/// minutes and land in `+Inf`.
const BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 100.0];

/// The daemon's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    floor: Mutex<Floor>,
    revocations: IntCounterVec,
    revocation_seconds: Histogram,
    reload_failures: IntCounter,
}

// === impl Metrics ===

impl Metrics {
    /// An empty registry with the build's and the process's own metrics.
    ///
    /// # Errors
    /// A metric is registered twice.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let revocations = IntCounterVec::new(
            Opts::new("enforcer_revocations_total", "Revocation attempts, by outcome."),
            &["provider", "outcome"],
        )?;
        let revocation_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "enforcer_revocation_duration_seconds",
                "From the kernel's time of the violation to the provider's confirmation.",
            )
            .buckets(BUCKETS.to_vec()),
        )?;
        let reload_failures = IntCounter::new(
            "enforcer_policy_reload_failures_total",
            "Policy reloads refused; the generation in force stayed.",
        )?;
        registry.register(Box::new(revocations.clone()))?;
        registry.register(Box::new(revocation_seconds.clone()))?;
        registry.register(Box::new(reload_failures.clone()))?;
        registry.register(Box::new(build_info()?))?;
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process))?;
        let floor = Mutex::default();
        Ok(Self { registry, floor, revocations, revocation_seconds, reload_failures })
    }

    /// Counts one attempt to revoke at a provider, and how long it took from
    /// the violation to the confirmation.
    pub fn revocation(&self, report: &RevocationReport) {
        self.revocations.with_label_values(&[report.provider, report.outcome]).inc();
        if let Some(took) = report.duration {
            self.revocation_seconds.observe(took.as_secs_f64());
        }
    }

    /// Counts a refused reload.
    pub fn reload_failed(&self) {
        self.reload_failures.inc();
    }

    /// The text of a scrape (Prometheus text format 0.0.4).
    ///
    /// # Errors
    /// A family cannot be built or written: a name or label is malformed.
    pub fn text(&self, snapshot: &Snapshot) -> prometheus::Result<String> {
        let counters =
            self.floor.lock().unwrap_or_else(PoisonError::into_inner).raise(&snapshot.counters);
        let mut all = self.registry.gather();
        all.extend(families::of(snapshot, &counters)?);
        all.retain(|family| !family.get_metric().is_empty());
        all.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new().encode_to_string(&all)
    }
}

fn build_info() -> prometheus::Result<IntGauge> {
    let opts = Opts::new("enforcer_build_info", "1; the labels say which build runs.")
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("abi", enforcer_common::ABI_VERSION.to_string());
    let gauge = IntGauge::with_opts(opts)?;
    gauge.set(1);
    Ok(gauge)
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
