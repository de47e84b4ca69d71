//! Reads `enforcer.toml` and `conf.d/*.toml`.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::reader::{Document, Table};
use crate::config::source::Source;
use crate::config::value::Value;
use crate::config::words::{Problem, duration, quoted};
use crate::config::{AuditSettings, Capacity, Settings, StormBudget, toml_files};

/// Read when no other file is named.
pub const DEFAULT_CONFIG: &str = "/etc/enforcer/enforcer.toml";

/// `sun_path` of `unix(7)` has 108 bytes, the last one for NUL.
const MAX_SOCKET_PATH: usize = 107;

/// A root with a glob in it would make every cgroup below it one.
const ROOT_REFUSED: [char; 7] = ['\0', '*', '?', '[', '{', '\\', '!'];

/// Most entries a table may be told to have.
const MAX_CAPACITY: i64 = 1 << 24;

const KEYS: &[&str] = &[
    "version",
    "root",
    "policies",
    "credentials",
    "state_dir",
    "bpf_dir",
    "control_socket",
    "resolvers",
    "metrics",
    "storm_budget",
    "capacity",
    "audit",
];

// === impl Settings ===

impl Settings {
    /// Reads the settings of `path` and of `conf.d/*.toml` beside it; a later
    /// file overrides an earlier one key by key. Relative paths count from the
    /// folder of `path`.
    ///
    /// # Errors
    /// Every error of every file.
    pub fn load(path: &Path) -> Result<Self, Diagnostics> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        let mut settings = Self::default();
        let mut errors = Diagnostics::default();
        for file in layers(&path, &folder.join("conf.d"), &mut errors) {
            match Source::read(&file) {
                Ok(source) => errors.extend(settings.apply(&source, &folder)),
                Err(error) => errors.push(explained(*error, &file)),
            }
        }
        errors.or(settings)
    }

    /// Overrides these settings with what one file says.
    fn apply(&mut self, source: &Source, folder: &Path) -> Diagnostics {
        let document = Document::parse(source);
        let table = document.table();
        table.version();
        table.only(KEYS);
        self.places(&table, folder);
        set(&mut self.resolvers, table.get("resolvers"), |v| v.list_of(socket_address));
        self.sections(&table);
        if let Some(audit) = table.get("audit").and_then(|v| v.table()) {
            self.audit.apply(&audit, folder);
        }
        document.into_errors()
    }

    fn places(&mut self, table: &Table<'_>, folder: &Path) {
        set(&mut self.root, table.get("root"), |v| v.parse(root));
        let below = |text: &str| path_below(folder, text);
        set(&mut self.policies, table.get("policies"), |v| v.parse(below));
        set(&mut self.credentials, table.get("credentials"), |v| v.parse(below));
        set(&mut self.state_dir, table.get("state_dir"), |v| v.parse(below));
        set(&mut self.bpf_dir, table.get("bpf_dir"), |v| v.parse(below));
        let socket = |text: &str| socket_path(folder, text);
        set(&mut self.control_socket, table.get("control_socket"), |v| v.parse(socket));
    }

    fn sections(&mut self, table: &Table<'_>) {
        if let Some(metrics) = table.get("metrics").and_then(|v| v.table()) {
            metrics.only(&["listen"]);
            let listen = metrics.need("listen", "`listen = \"127.0.0.1:9635\"`");
            set(&mut self.metrics_listen, listen, |v| v.parse(socket_address));
        }
        if let Some(storm) = table.get("storm_budget").and_then(|v| v.table()) {
            storm.only(&["revocations", "per"]);
            set(&mut self.storm_budget.revocations, storm.get("revocations"), |v| v.count(0));
            set(&mut self.storm_budget.per, storm.get("per"), |v| v.parse(duration));
        }
        if let Some(capacity) = table.get("capacity").and_then(|v| v.table()) {
            capacity.only(&["agents", "prefixes", "port_rules"]);
            set(&mut self.capacity.agents, capacity.get("agents"), entries);
            set(&mut self.capacity.prefixes, capacity.get("prefixes"), entries);
            set(&mut self.capacity.port_rules, capacity.get("port_rules"), entries);
        }
    }
}

impl Default for Settings {
    /// What holds where `enforcer.toml` says nothing.
    fn default() -> Self {
        Self {
            root: "agents.slice".into(),
            policies: "/etc/enforcer/policies.d".into(),
            credentials: "/etc/enforcer/credentials.d".into(),
            state_dir: "/var/lib/enforcer".into(),
            bpf_dir: "/sys/fs/bpf/enforcer".into(),
            control_socket: "/run/enforcer/control.sock".into(),
            resolvers: Vec::new(),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9635)),
            storm_budget: StormBudget { revocations: 20, per: Duration::from_secs(600) },
            capacity: Capacity { agents: 1024, prefixes: 65_536, port_rules: 131_072 },
            audit: AuditSettings::default(),
        }
    }
}

/// The main file, then the files of `conf.d` by name; the folder may be missing.
fn layers(path: &Path, conf_d: &Path, errors: &mut Diagnostics) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    if conf_d.exists() {
        files.extend(errors.take(toml_files(conf_d)).unwrap_or_default());
    }
    files
}

fn explained(error: Diagnostic, file: &Path) -> Diagnostic {
    if file.exists() {
        return error;
    }
    if file == Path::new(DEFAULT_CONFIG) {
        return error.hint("create it, or name another file with `--config FILE`");
    }
    error.hint("`--config FILE` must name an existing file")
}

fn set<T>(to: &mut T, from: Option<Value<'_>>, read: impl FnOnce(Value<'_>) -> Option<T>) {
    if let Some(value) = from.and_then(read) {
        *to = value;
    }
}

fn entries(value: Value<'_>) -> Option<u32> {
    u32::try_from(value.integer(1..=MAX_CAPACITY)?).ok()
}

fn socket_address(text: &str) -> Result<SocketAddr, Problem> {
    let hint = "write address:port, such as `127.0.0.1:9635` or `[::1]:9635`";
    let parsed = text.parse();
    parsed.map_err(|_| Problem::new(format!("{} is not a socket address", quoted(text))).hint(hint))
}

pub(super) fn path_below(folder: &Path, text: &str) -> Result<PathBuf, Problem> {
    if text.is_empty() || text.contains('\0') {
        let problem = Problem::new(format!("{} is not a path", quoted(text)));
        return Err(problem.hint("write an absolute path, or one that counts from this folder"));
    }
    Ok(folder.join(text))
}

fn socket_path(folder: &Path, text: &str) -> Result<PathBuf, Problem> {
    let path = path_below(folder, text)?;
    let len = path.as_os_str().len();
    if len > MAX_SOCKET_PATH {
        let message = format!("the socket's path has {len} bytes, more than {MAX_SOCKET_PATH}");
        return Err(Problem::new(message).hint("choose a shorter one, such as below /run"));
    }
    Ok(path)
}

/// The enforced root: below the cgroup2 mount and never the mount itself,
/// which would deny the whole host.
fn root(text: &str) -> Result<PathBuf, Problem> {
    let path = Path::new(text);
    let clean = path.components().all(|part| matches!(part, Component::Normal(_)));
    if text.is_empty() || text.contains(ROOT_REFUSED) || !clean {
        let message = format!("{} is not a cgroup below the cgroup2 mount", quoted(text));
        let hint = "write it relative to the mount and without `..`, such as `agents.slice`";
        return Err(Problem::new(message).hint(hint));
    }
    Ok(path.components().collect())
}
