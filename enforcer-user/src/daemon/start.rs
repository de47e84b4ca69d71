//! From nothing to a running daemon. The order matters: the programs are
//! attached and deny before anything is read that could open something, and
//! quarantines are set before any cgroup gets its agent.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::{fs, io};

use nix::unistd::geteuid;
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::binding::bindings;
use super::core::{self, Core};
use super::failure::Failure;
use super::hands::Hands;
use super::host::{self, Lock};
use super::policies::Policies;
use super::{reload, remembered};
use crate::act::{Act, Report, Setup, WorkerError};
use crate::agents::scan;
use crate::audit::{Audit, Sink, start_sinks};
use crate::config::Settings;
use crate::correlate::Correlator;
use crate::events::{Event, EventHub, EventKind};
use crate::kernel::{Kernel, Rings, cgroup2_mount, monotonic_ns};
use crate::metrics::Metrics;
use crate::policy::AgentName;

type ActTask = JoinHandle<Result<(), WorkerError>>;
type ActReports = UnboundedReceiver<Report>;

/// What was made before there were threads.
pub(super) struct Ground {
    pub(super) runtime: Runtime,
    /// `None` while somebody else has the port.
    pub(super) metrics_listener: Option<TcpListener>,
    pub(super) rings: Rings,
    settings: Settings,
    kernel: Arc<Kernel>,
    adopted: bool,
    _locks: (Lock, Option<Lock>),
}

/// The worker that acts, what it tells, and the writer of the audit trail.
pub(super) struct Workers {
    pub(super) act: ActTask,
    pub(super) reports: ActReports,
    pub(super) audit: JoinHandle<()>,
    /// Those who pass the trail on, and what they tell.
    pub(super) sinks: Vec<Sink>,
    pub(super) sinks_tell: UnboundedReceiver<Event>,
    /// Agents whose open sockets are to be destroyed.
    pub(super) disconnects: UnboundedReceiver<AgentName>,
}

/// Attaches the programs, or takes over those that are there; then gives up
/// what rights are not needed any more.
pub(super) fn ground(config: &Path) -> Result<Ground, Failure> {
    if !geteuid().is_root() {
        return Err(Failure::host("run: only root can enforce").hint("start it as root"));
    }
    let settings = Settings::load(config).map_err(|e| Failure::invalid(e.to_string()))?;
    if !settings.resolvers.is_empty() {
        tracing::warn!("`resolvers` are for rules with names, which this version refuses: unused");
    }
    host::harden();
    let state = host::lock_state(&settings).map_err(Failure::failed)?;
    let pins = host::lock_pins(&settings).map_err(Failure::failed)?;
    let metrics_listener = listen(&settings).map_err(|e| {
        Failure::failed(format!("listen on {}: {e}", settings.metrics_listen))
            .hint("another address: `[metrics] listen = …`")
    })?;
    let (kernel, start) = Kernel::start(&settings).map_err(|e| Failure::kernel(&e))?;
    let pins = match pins {
        None => host::lock_pins(&settings).map_err(Failure::failed)?,
        locked => locked,
    };
    let rings = kernel.take_rings().ok_or_else(|| Failure::failed("no ring buffers"))?;
    // Capabilities belong to threads: before the runtime starts its own.
    if let Err(error) = host::drop_capabilities() {
        tracing::warn!("give up capabilities: {error}");
    }
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::failed(format!("start threads: {e}")))?;
    let (kernel, adopted) = (Arc::new(kernel), start.adopted);
    Ok(Ground {
        runtime,
        metrics_listener,
        rings,
        settings,
        kernel,
        adopted,
        _locks: (state, pins),
    })
}

/// Takes the port of the metrics. One that is in use is no reason not to enforce
/// and revoke: an agent may have taken it while no daemon ran.
pub(super) fn listen(settings: &Settings) -> io::Result<Option<TcpListener>> {
    let listener = match TcpListener::bind(settings.metrics_listen) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
        bound => bound?,
    };
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

// === impl Ground ===

impl Ground {
    /// Puts the policies in force and starts the worker. Inside the runtime.
    pub(super) fn core(&self, config: &Path) -> Result<(Arc<Core>, Workers), Failure> {
        let policies = Policies::new(config, &self.settings);
        let mount = cgroup2_mount().map_err(|e| Failure::kernel(&e))?;
        let first = policies.replace(|new, plan| {
            let found = scan(&mount, &self.settings.root, &new.claims, &[]);
            core::apply(&self.kernel, plan, &bindings(&found.cgroups))
        });
        if let (Err(refusal), false) = (&first, self.adopted) {
            let root = self.kernel.paths().root.display();
            return Err(Failure::invalid(refusal.clone())
                .hint(format!("until this is right everything below {root} is denied")));
        }
        let (disconnect, disconnects) = unbounded_channel();
        let (act, acting, reports) = self.act(&policies, disconnect.clone())?;
        let (audit, writing) = Audit::start(&self.settings.state_dir, &self.settings.audit)
            .map_err(Failure::failed)?;
        let (told, sinks_tell) = unbounded_channel();
        let Settings { state_dir, audit: settings, .. } = &self.settings;
        let sinks = start_sinks(state_dir, &settings.sinks, &audit, &told);
        let core = self.assemble(policies, act, audit, disconnect)?;
        let core =
            Arc::new(Core { sinks: sinks.iter().map(|s| s.status.clone()).collect(), ..core });
        let adopted = if self.adopted { "took over running enforcement" } else { "enforces anew" };
        core.publish(Event::now(EventKind::Daemon, format!("started, {adopted}")));
        core.correlator().remember(remembered::load(&self.settings.state_dir));
        match first {
            Ok(generation) => reload::put_in_force(&core, generation),
            Err(error) => {
                core.metrics.reload_failed();
                reload::refused(&core, &error);
            }
        }
        let audit = writing;
        Ok((core, Workers { act: acting, reports, audit, sinks, sinks_tell, disconnects }))
    }

    fn act(
        &self,
        policies: &Policies,
        disconnect: UnboundedSender<AgentName>,
    ) -> Result<(Act, ActTask, ActReports), Failure> {
        let (sender, reports) = unbounded_channel();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(|e| Failure::host(format!("read the boot id: {e}")))?;
        let setup = Setup {
            state_dir: self.settings.state_dir.clone(),
            boot_id: boot_id.trim().to_owned(),
            storm: self.settings.storm_budget,
            credentials: policies.in_force().inventory.credentials.clone(),
            quarantine: Arc::new(Hands { kernel: Arc::clone(&self.kernel), disconnect }),
            reports: sender,
        };
        let (act, task) = Act::start(setup).map_err(Failure::failed)?;
        Ok((act, task, reports))
    }

    fn assemble(
        &self,
        policies: Policies,
        act: Act,
        audit: Audit,
        disconnect: UnboundedSender<AgentName>,
    ) -> Result<Core, Failure> {
        Ok(Core {
            settings: self.settings.clone(),
            mount: cgroup2_mount().map_err(|e| Failure::kernel(&e))?,
            kernel: Arc::clone(&self.kernel),
            act,
            audit,
            sinks: Vec::new(),
            adopted: self.adopted,
            started: OffsetDateTime::now_utc(),
            hub: EventHub::default(),
            metrics: Metrics::new().map_err(Failure::failed)?,
            policies,
            proofs: Default::default(),
            cgroups: Default::default(),
            correlator: Correlator::default().into(),
            used: Default::default(),
            alarms: Default::default(),
            disconnect,
            canary: AtomicU64::new(0),
            check_now: Default::default(),
            detached: AtomicBool::new(false),
            end: Default::default(),
            pulse: AtomicU64::new(monotonic_ns()),
            malformed: AtomicU64::new(0),
        })
    }
}
