//! Where tests run: a tier and, in the virtual machine, a kernel and how it was
//! started.

use std::fmt;

use crate::setup::kernels::Version;
use crate::test::tier::Tier;

/// One row of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tier: Tier,
    /// The guest's kernel; `None` where the host's own is used.
    pub(crate) kernel: Option<Version>,
    /// It was started without BPF among its security modules.
    pub(crate) without_lsm: bool,
}

impl From<Tier> for Place {
    fn from(tier: Tier) -> Self {
        Self { tier, kernel: None, without_lsm: false }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.without_lsm { "-fmod" } else { "" };
        match self.kernel {
            Some(version) => f.pad(&format!("{}{how} {version}", self.tier)),
            None => self.tier.fmt(f),
        }
    }
}

/// Those places that an entry of the list of skips speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// `lab`; `vm` for every kernel of the virtual machine.
    Tier(Tier),
    /// `vm<6.7`: the virtual machine's kernels that are older.
    Older(Version),
}

impl Places {
    /// Reads `lab`, `vm` or `vm<6.7`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(version) = text.strip_prefix("vm<") {
            return Version::parse(version).map(Self::Older);
        }
        Tier::chosen(&[]).into_iter().find(|tier| tier.to_string() == text).map(Self::Tier)
    }

    pub(crate) fn contains(self, place: Place) -> bool {
        match self {
            Self::Tier(tier) => tier == place.tier,
            Self::Older(version) => place.kernel.is_some_and(|kernel| kernel < version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(version: &str) -> Place {
        Place { kernel: Version::parse(version), ..Tier::Vm.into() }
    }

    #[test]
    fn an_older_kernel_is_one_with_a_smaller_number() {
        let older = Places::parse("vm<6.7").expect("well written");
        assert!(older.contains(guest("6.1")));
        assert!(!older.contains(guest("6.7")) && !older.contains(guest("6.12")));
        assert!(!older.contains(Tier::Lab.into()), "the host's kernel is not the guest's");
    }

    #[test]
    fn a_kernel_started_without_lsm_has_a_name_of_its_own_and_the_same_skips() {
        let place = Place { without_lsm: true, ..guest("6.1") };
        assert_eq!(place.to_string(), "vm-fmod 6.1");
        assert!(Places::parse("vm<6.7").is_some_and(|places| places.contains(place)));
    }

    #[test]
    fn a_tier_without_a_version_means_all_of_it() {
        assert!(Places::parse("vm").is_some_and(|places| places.contains(guest("7.2"))));
        assert_eq!(Places::parse("vm<new"), None);
        assert_eq!(Places::parse("moon"), None);
    }
}
