//! `enforcer.toml` and `conf.d`: what the daemon needs to know, checked.

mod audit;
pub mod diagnostic;
pub mod reader;
mod render;
mod settings;
pub mod source;
pub mod value;
pub mod words;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use audit::{AuditSettings, ExportFormat, SinkSettings, SinkTarget};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use settings::DEFAULT_CONFIG;

/// The daemon's settings as meant. Every path is absolute except `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Enforced root, relative to the cgroup2 mount; created if missing.
    pub root: PathBuf,
    /// Folder of `*.toml` policies, one agent a file.
    pub policies: PathBuf,
    /// Folder of `*.toml` credential inventories.
    pub credentials: PathBuf,
    /// Outbox, audit chain, persisted quarantines.
    pub state_dir: PathBuf,
    /// Where links and maps are pinned.
    pub bpf_dir: PathBuf,
    /// The control socket.
    pub control_socket: PathBuf,
    /// Trusted DNS servers; empty means the host's own.
    pub resolvers: Vec<SocketAddr>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    pub metrics_listen: SocketAddr,
    /// How many revocations are made before only quarantine and alert remain.
    pub storm_budget: StormBudget,
    /// Sizes of the kernel's tables; fixed while pins exist.
    pub capacity: Capacity,
    /// How the audit trail is kept, and who gets it.
    pub audit: AuditSettings,
}

/// At most `revocations` in any window of `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormBudget {
    /// Revocations allowed; 0 means never revoke automatically.
    pub revocations: u32,
    /// The sliding window.
    pub per: Duration,
}

/// Entries in the kernel's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Agents, at least 1.
    pub agents: u32,
    /// Address prefixes over all agents and two generations.
    pub prefixes: u32,
    /// Port rules over all agents and two generations.
    pub port_rules: u32,
}

// === impl Settings ===

impl Settings {
    /// Where the agents' own folders are, beside the control socket.
    pub fn agent_dirs(&self) -> PathBuf {
        self.control_socket.parent().unwrap_or(Path::new("/")).join("agents")
    }

    /// An agent's own folder for Unix sockets, made by `enforcer exec`. No path
    /// below it leads outside: it is a file system that follows no links.
    pub fn agent_dir(&self, agent: &str) -> PathBuf {
        self.agent_dirs().join(agent)
    }
}

/// The `*.toml` files of a folder, sorted by name.
///
/// # Errors
/// The folder is missing or cannot be read.
pub fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let failed = |error| {
        let diagnostic = Diagnostic::file(folder, format!("cannot read the folder: {error}"));
        Box::new(diagnostic.hint("create it; an empty folder is fine and denies everything"))
    };
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
    let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    Ok(files)
}
