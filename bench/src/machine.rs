//! What the figures were taken on.

use std::fs;

use anyhow::Result;
use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A machine as far as it matters for comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, in its own words.
    pub cpu: String,
    /// How many of them there are.
    pub cpus: usize,
    /// Version of the kernel.
    pub kernel: String,
    /// What the kernel does against faults of the processor, one line each.
    pub mitigations: Vec<String>,
    /// Main memory, in MiB.
    pub memory_mib: u64,
    /// Day of the run, UTC.
    pub date: String,
}

// === impl Machine ===

impl Machine {
    /// This one, today.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn here() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        Ok(Self {
            cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            kernel: uname()?.release().to_string_lossy().into_owned(),
            mitigations: mitigations(),
            memory_mib: field(&memory, "MemTotal").and_then(kib).unwrap_or(0) / 1024,
            date: OffsetDateTime::now_utc().date().to_string(),
        })
    }
}

/// The first value of a key in a file of `key : value` lines.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

fn kib(value: &str) -> Option<u64> {
    value.split_whitespace().next()?.parse().ok()
}

/// Only those that are in effect: they are what costs.
fn mitigations() -> Vec<String> {
    let folder = "/sys/devices/system/cpu/vulnerabilities";
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            let means = text.trim().strip_prefix("Mitigation: ")?;
            Some(format!("{}: {means}", entry.file_name().to_string_lossy()))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_speaks_for_all() {
        let text = "processor\t: 0\nmodel name\t: A 1\nprocessor\t: 1\nmodel name\t: B 2\n";
        assert_eq!(field(text, "model name"), Some("A 1"));
        assert_eq!(field(text, "model"), None);
        assert_eq!(field("MemTotal:   2048 kB\n", "MemTotal").and_then(kib), Some(2048));
    }

    #[test]
    fn this_machine_has_a_kernel_and_processors() {
        let here = Machine::here().expect("readable");
        assert!(here.cpus > 0 && !here.kernel.is_empty() && here.memory_mib > 0);
    }
}
