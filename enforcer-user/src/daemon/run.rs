//! The running daemon: its tasks, and how it ends.

use std::fmt::Display;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::core::Core;
use super::desk::Desk;
use super::failure::Failure;
use super::start::{self, Ground, Workers};
use super::{binding, control, disconnect, log, pump, reload, remembered, selfcheck, tick};
use crate::act::Report;
use crate::events::{Event, EventKind};
use crate::kernel::Rings;
use crate::metrics;

/// A task's name and how it ended; none is meant to.
type Ended = (&'static str, Result<(), String>);

/// How often a port that is in use is asked for again.
const PORT_RETRY: Duration = Duration::from_secs(1);

/// Runs the daemon in the foreground until it is told to end. Logs to stderr.
/// When it ends, however it ends, what is enforced stays enforced, unless a
/// `detach` was asked for.
///
/// Exit codes: 0 told to end, 1 failed, 2 invalid settings or policies, 3 the
/// host cannot enforce.
pub fn run(config: &Path) -> ExitCode {
    log::start();
    let ended = start::ground(config).and_then(|ground| serve(config, ground));
    ended.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

fn serve(config: &Path, ground: Ground) -> Result<(), Failure> {
    let _inside = ground.runtime.enter();
    let (core, workers) = ground.core(config)?;
    let Ground { runtime, metrics_listener, rings, .. } = ground;
    let ended = runtime.block_on(live(core, workers, rings, metrics_listener));
    // A blocking call that hangs must not keep the process: all that counts
    // is on disk or in the kernel.
    runtime.shutdown_background();
    ended
}

async fn live(
    core: Arc<Core>,
    workers: Workers,
    rings: Rings,
    metrics_listener: Option<std::net::TcpListener>,
) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    spawn(&mut tasks, "read records", pump::run(Arc::clone(&core), rings));
    let Workers { act, reports, audit, sinks, sinks_tell, disconnects } = workers;
    spawn(&mut tasks, "act", async { act.await.map_err(text)?.map_err(text) });
    spawn(&mut tasks, "reports", pass_on(Arc::clone(&core), reports));
    spawn(&mut tasks, "audit", async { audit.await.map_err(text) });
    for sink in sinks {
        spawn(&mut tasks, "audit sink", async { Err(sink.task.await.unwrap_or_else(text)) });
    }
    spawn(&mut tasks, "audit sinks' reports", publish(Arc::clone(&core), sinks_tell));
    spawn(&mut tasks, "disconnect", disconnect::run(Arc::clone(&core), disconnects));
    spawn(&mut tasks, "bind cgroups", binding::run(Arc::clone(&core)));
    spawn(&mut tasks, "self-check", selfcheck::run(Arc::clone(&core)));
    spawn(&mut tasks, "reload", reload::run(Arc::clone(&core)));
    spawn(&mut tasks, "tick", tick::run(Arc::clone(&core)));
    let control = control::bind(&core.settings.control_socket).map_err(Failure::failed)?;
    let root = Path::new("/").join(&core.settings.root);
    let gate = control::Gate { uid: geteuid().as_raw(), root };
    let served = control::serve(control, gate, Arc::new(Desk(Arc::clone(&core))));
    spawn(&mut tasks, "control socket", async { served.await.map_err(text) });
    spawn(&mut tasks, "metrics", serve_metrics(Arc::clone(&core), metrics_listener));
    let ended = until_the_end(&core, &mut tasks).await;
    tell_end(&core, &ended);
    remembered::save(&core);
    if !core.audit.sync().await {
        tracing::error!("the end of the audit trail could not be written");
    }
    tasks.shutdown().await;
    ended
}

async fn serve_metrics(
    core: Arc<Core>,
    mut listener: Option<std::net::TcpListener>,
) -> Result<(), String> {
    if listener.is_none() {
        let address = core.settings.metrics_listen;
        let message = format!(
            "{address} is somebody else's: no metrics and no /readyz until it is free, looked at each second"
        );
        core.publish(Event::now(EventKind::Tamper, message));
    }
    let mut again = interval(PORT_RETRY);
    let listener = loop {
        if let Some(listener) = listener {
            break listener;
        }
        again.tick().await;
        listener = start::listen(&core.settings).map_err(text)?;
    };
    let listener = TcpListener::from_std(listener).map_err(text)?;
    metrics::serve(listener, core as Arc<dyn metrics::Exposed>).await.map_err(text)
}

fn spawn(
    tasks: &mut JoinSet<Ended>,
    name: &'static str,
    task: impl Future<Output = Result<(), String>> + Send + 'static,
) {
    tasks.spawn(async move { (name, task.await) });
}

/// Waits for a signal, a `detach`, or the end of a task, which is a failure.
async fn until_the_end(core: &Core, tasks: &mut JoinSet<Ended>) -> Result<(), Failure> {
    let on = |kind| signal(kind).map_err(|e| Failure::failed(format!("wait for signals: {e}")));
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = core.end.notified() => Ok(()),
        Some(ended) = tasks.join_next() => Err(Failure::failed(match ended {
            Ok((name, Ok(()))) => format!("{name}: ended by itself"),
            Ok((name, Err(error))) => format!("{name}: {error}"),
            Err(panic) => panic.to_string(),
        })),
    }
}

fn tell_end(core: &Core, ended: &Result<(), Failure>) {
    let detached = core.detached.load(Ordering::Relaxed);
    let message = match ended {
        Ok(()) if detached => "stopped; nothing is enforced any more",
        Ok(()) => "stopped; what is pinned goes on enforcing",
        Err(_) => "failed; what is pinned goes on enforcing",
    };
    core.publish(Event::now(EventKind::Daemon, message));
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
        tracing::debug!("tell the service manager: {error}");
    }
}

/// Passes on what the worker tells; its end is the end of all acting.
async fn pass_on(core: Arc<Core>, mut reports: UnboundedReceiver<Report>) -> Result<(), String> {
    while let Some(report) = reports.recv().await {
        match report {
            // The worker has logged it.
            Report::Event(event) => drop(core.tell(*event)),
            Report::Revocation(revocation) => core.metrics.revocation(&revocation),
        }
    }
    Err("the worker tells nothing any more".to_owned())
}

/// Publishes what sinks tell; without any there is nothing to wait for.
async fn publish(core: Arc<Core>, mut told: UnboundedReceiver<Event>) -> Result<(), String> {
    while let Some(event) = told.recv().await {
        // The sink has logged it.
        drop(core.tell(event));
    }
    std::future::pending().await
}

fn text(error: impl Display) -> String {
    error.to_string()
}
