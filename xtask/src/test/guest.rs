//! Which tests run in the virtual machine.

use std::fmt;

use crate::test::binaries::TestBinary;

/// A test that is not run in the guest, and why. The guest's processor is
/// emulated, ten times slower than the host's: what is true or false only at
/// a speed cannot be judged there.
pub(crate) struct LeftOut {
    pub(crate) binary: &'static str,
    /// The test's name; empty for every test of the binary.
    pub(crate) test: &'static str,
    pub(crate) reason: &'static str,
}

/// Everything that is left out; the summary shows it.
pub(crate) const LEFT_OUT: [LeftOut; 0] = [];

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = if self.test.is_empty() { "all of it" } else { self.test };
        write!(f, "{}: {test}: {}", self.binary, self.reason)
    }
}

/// Whether the virtual machine has all that this needs.
pub(crate) fn runs(test: &TestBinary) -> bool {
    let left_out = LEFT_OUT.iter().any(|left| left.binary == test.name && left.test.is_empty());
    !left_out && (test.name.starts_with("bpf_") || test.name.starts_with("lab_"))
}

/// What the test harness is told beyond what every binary is told.
pub(crate) fn arguments(binary: &str) -> String {
    let tests: Vec<_> = LEFT_OUT
        .iter()
        .filter(|left| left.binary == binary && !left.test.is_empty())
        .map(|left| format!("--skip {}", left.test))
        .collect();
    if tests.is_empty() { String::new() } else { format!("--exact {}", tests.join(" ")) }
}
