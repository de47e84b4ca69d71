//! Which tests run in the virtual machine.

use std::fmt;

use crate::test::binaries::TestBinary;

/// A test that is not run in the guest, and why. The guest's processor is
/// emulated, ten times slower than the host's: what is true or false only at
/// a speed cannot be judged there.
pub(crate) struct LeftOut {
    pub(crate) binary: &'static str,
    /// The test's name.
    pub(crate) test: &'static str,
    pub(crate) reason: &'static str,
}

/// Everything that is left out; the summary shows it.
pub(crate) const LEFT_OUT: [LeftOut; 3] = [
    within_two_percent("packets_a_second_hold_within_two_percent"),
    within_two_percent("bytes_a_second_hold_within_two_percent"),
    within_two_percent("new_connections_hold_within_two_percent"),
];

const fn within_two_percent(test: &'static str) -> LeftOut {
    let reason = "an emulated sender pauses for longer than the cap's burst, a quarter of a second";
    LeftOut { binary: "lab_caps", test, reason }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.binary, self.test, self.reason)
    }
}

/// What is run without a word: the verdicts, and whatever is another on another
/// kernel. The rest, mostly the daemon's own ways, takes half an hour a kernel.
const USUAL: [&str; 7] = [
    "bpf_differential",
    "bpf_egress",
    "lab_destinations",
    "lab_escape",
    "lab_guard",
    "lab_lsm",
    "lab_lsm_host",
];

/// What is run on a newer kernel when nobody names it: whether each program loads
/// there, which its verifier decides, and is called.
const LOADING: [&str; 1] = ["lab_lsm"];

/// What is run on a kernel that was started without BPF among its security
/// modules: what the programs at the security hooks do, then called by fmod_ret.
const HOOKS: [&str; 3] = ["lab_escape", "lab_lsm", "lab_lsm_host"];

/// How much of what the virtual machine could run, each with the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    /// Whether the programs load.
    Loading,
    /// What the security hooks do.
    Hooks,
    /// What is run without a word.
    Usual,
    /// Everything.
    All,
}

// === impl Share ===

impl Share {
    /// Whether the virtual machine has all that this needs, and time for it.
    pub(crate) fn has(self, test: &TestBinary) -> bool {
        let name = test.name.as_str();
        match self {
            Self::Loading => LOADING.contains(&name),
            Self::Hooks => HOOKS.contains(&name),
            Self::Usual => USUAL.contains(&name),
            Self::All => ["bpf_", "lab_"].iter().any(|start| name.starts_with(start)),
        }
    }

    /// The names of those of `tests`, each with what its harness is told.
    pub(crate) fn order(self, tests: &[TestBinary]) -> String {
        let of = tests.iter().filter(|test| self.has(test));
        of.map(|test| format!("{} {}\n", test.name, arguments(&test.name))).collect()
    }
}

/// What the test harness is told beyond what every binary is told.
fn arguments(binary: &str) -> String {
    let tests: Vec<_> = LEFT_OUT
        .iter()
        .filter(|left| left.binary == binary)
        .map(|left| format!("--skip {}", left.test))
        .collect();
    if tests.is_empty() { String::new() } else { format!("--exact {}", tests.join(" ")) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_left_out_exists() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        for left in LEFT_OUT {
            let file = tests.join(format!("{}.rs", left.binary));
            let source = fs::read_to_string(&file).expect("the binary's source");
            assert!(source.contains(&format!("fn {}(", left.test)), "{left}");
        }
    }

    #[test]
    fn what_is_usual_exists() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        for binary in USUAL.iter().chain(&HOOKS).chain(&LOADING) {
            assert!(tests.join(format!("{binary}.rs")).exists(), "{binary}");
        }
    }

    #[test]
    fn only_the_tests_left_out_are_named_to_the_harness() {
        assert_eq!(arguments("lab_cut"), "");
        assert!(arguments("lab_caps").starts_with("--exact --skip packets_a_second"));
    }
}
