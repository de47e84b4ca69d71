//! The tiers, cheapest first.

use std::fmt;

use clap::ValueEnum;

/// A kind of test, by what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Tier {
    /// No root, no kernel programs.
    Pure,
    /// Kernel programs run on made-up packets (`BPF_PROG_TEST_RUN`); root.
    Bpf,
    /// Network namespaces, cgroups and real traffic; root.
    Lab,
    /// The bpf and lab tests again on Debian's 6.1, 6.12 and newest kernels in a
    /// virtual machine.
    Vm,
    /// Every fuzz target for some seconds.
    Fuzz,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pure => "pure",
            Self::Bpf => "bpf",
            Self::Lab => "lab",
            Self::Vm => "vm",
            Self::Fuzz => "fuzz",
        })
    }
}

impl Tier {
    /// The tiers asked for in the order they run; all of them for none.
    pub(crate) fn chosen(asked: &[Self]) -> Vec<Self> {
        let mut tiers =
            if asked.is_empty() { Self::value_variants().to_vec() } else { asked.to_vec() };
        tiers.sort();
        tiers.dedup();
        tiers
    }

    pub(crate) fn needs_root(&self) -> bool {
        matches!(self, Self::Bpf | Self::Lab)
    }

    /// The tier of a test binary, by the name of its source file. `host_*` and
    /// `oidc_*` want peers that the virtual machine has not got (Node.js, curl).
    pub(crate) fn of_target(name: &str) -> Self {
        match name.split('_').next() {
            Some("bpf") => Self::Bpf,
            Some("lab" | "host" | "oidc") => Self::Lab,
            _ => Self::Pure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tier_named_means_every_tier() {
        assert_eq!(Tier::chosen(&[]), Tier::value_variants());
    }

    #[test]
    fn tiers_run_once_and_cheapest_first() {
        assert_eq!(Tier::chosen(&[Tier::Vm, Tier::Pure, Tier::Vm]), [Tier::Pure, Tier::Vm]);
    }

    #[test]
    fn a_test_binary_is_of_the_tier_that_its_name_starts_with() {
        assert_eq!(Tier::of_target("lab_quarantine"), Tier::Lab);
        assert_eq!(Tier::of_target("host_tools"), Tier::Lab);
        assert_eq!(Tier::of_target("bpf_egress"), Tier::Bpf);
        assert_eq!(Tier::of_target("labels"), Tier::Pure);
    }
}
