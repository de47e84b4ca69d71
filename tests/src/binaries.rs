//! Where the programs under test are.

use std::path::PathBuf;

/// The `enforcer` binary: `ENFORCER_BIN`, else beside the test.
pub fn enforcer() -> PathBuf {
    std::env::var_os("ENFORCER_BIN").map_or_else(|| beside("enforcer"), PathBuf::from)
}

/// The agents' helper: `ENFORCER_LAB_AGENT`, else beside the test.
pub fn lab_agent() -> PathBuf {
    std::env::var_os("ENFORCER_LAB_AGENT").map_or_else(|| beside("lab-agent"), PathBuf::from)
}

/// Cargo puts tests into `deps`, programs one level up; the VM has all in one.
fn beside(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.parent().expect("a program is in a folder");
    let candidates = [folder.join(name), folder.join("..").join(name)];
    let found = candidates.iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("build {name} first: none beside {}", test.display())).clone()
}
