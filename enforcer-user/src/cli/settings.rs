//! The settings: where the daemon and the pins are to be found.

use std::path::Path;

use crate::cli::failure::{Code, Failure};
use crate::config::Settings;

pub(crate) fn load(config: &Path) -> Result<Settings, Failure> {
    let text = std::fs::read_to_string(config).map_err(|error| {
        Failure::new(Code::Usage, format!("read {}: {error}", config.display()))
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|error| Failure::new(Code::Usage, format!("{}: {error}", config.display())))?;
    let path = |key: &str, default: &str| {
        table.get(key).and_then(toml::Value::as_str).unwrap_or(default).into()
    };
    Ok(Settings {
        root: path("root", "agents.slice"),
        policies: path("policies", "/etc/enforcer/policies.d"),
        credentials: path("credentials", "/etc/enforcer/credentials.d"),
        state_dir: path("state_dir", "/var/lib/enforcer"),
        bpf_dir: path("bpf_dir", "/sys/fs/bpf/enforcer"),
        control_socket: path("control_socket", "/run/enforcer/control.sock"),
        resolvers: vec![],
        metrics_listen: ([127, 0, 0, 1], 9635).into(),
        storm_budget: crate::config::StormBudget {
            revocations: 20,
            per: std::time::Duration::from_secs(600),
        },
        capacity: crate::config::Capacity { agents: 1, prefixes: 1, port_rules: 1 },
    })
}
