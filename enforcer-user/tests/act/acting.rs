//! A running worker, and what it told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use enforcer_user::act::{Act, Report, RevocationReport, Setup, WorkerError};
use enforcer_user::config::StormBudget;
use enforcer_user::events::Event;
use enforcer_user::policy::{Credential, Step};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::fakes::{FakeKernel, FakeProvider, FakeToken};

const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const LADDER: &[Step] = &[Step::Alert, Step::Quarantine, Step::Revoke];
pub(crate) const WIDE: StormBudget =
    StormBudget { revocations: 100, per: Duration::from_secs(600) };

/// A worker with a fake kernel.
pub(crate) struct Acting {
    pub(crate) act: Act,
    pub(crate) kernel: Arc<FakeKernel>,
    pub(crate) reports: UnboundedReceiver<Report>,
    pub(crate) join: JoinHandle<Result<(), WorkerError>>,
}

// === impl Acting ===

impl Acting {
    pub(crate) fn new(state_dir: &Path, credentials: &[Credential], storm: StormBudget) -> Self {
        let (sender, reports) = unbounded_channel();
        let kernel = Arc::new(FakeKernel::default());
        let setup = Setup {
            state_dir: state_dir.into(),
            boot_id: "boot-1".into(),
            storm,
            credentials: credentials.to_vec(),
            quarantine: kernel.clone(),
            reports: sender,
        };
        let (act, join) = Act::start(setup).expect("starts");
        Self { act, kernel, reports, join }
    }

    /// Waits for an event with this reason.
    pub(crate) async fn told(&mut self, reason: &str) -> Event {
        loop {
            let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
            let report = report.unwrap_or_else(|_| panic!("nobody told {reason}"));
            match report.expect("the worker lives") {
                Report::Event(event) if event.reason.as_deref() == Some(reason) => return *event,
                Report::Event(_) | Report::Revocation(_) => {}
            }
        }
    }

    pub(crate) async fn counted(&mut self) -> RevocationReport {
        loop {
            let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
            if let Some(Report::Revocation(report)) = report.expect("told in time") {
                return report;
            }
        }
    }

    /// Ends the worker as the daemon does.
    pub(crate) async fn end(self) -> Vec<Report> {
        let Self { act, join, mut reports, .. } = self;
        drop(act);
        join.await.expect("no panic").expect("ended well");
        let mut rest = Vec::new();
        while let Some(report) = reports.recv().await {
            rest.push(report);
        }
        rest
    }
}

/// A fake server with one living token.
pub(crate) fn living_token() -> (FakeProvider, Arc<FakeToken>) {
    let token = Arc::new(FakeToken::default());
    let served = token.clone();
    (FakeProvider::new(move |asked| served.answer(asked)), token)
}
