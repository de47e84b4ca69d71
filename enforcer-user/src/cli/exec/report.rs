//! What the child tells the launcher when it cannot become CMD.

use std::ffi::c_int;

/// What the child was about.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Signals = 1,
    BoundingSet = 2,
    AmbientSet = 3,
    Groups = 4,
    Gid = 5,
    Uid = 6,
    Capabilities = 7,
    NoNewPrivileges = 8,
    ParentDeath = 9,
    Descriptors = 10,
    Landlock = 11,
    Seccomp = 12,
    Exec = 13,
    Seal = 14,
}

/// A step that failed, and its errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) stage: Stage,
    pub(super) errno: c_int,
}

// === impl Broken ===

impl Broken {
    /// Length of a report.
    pub(super) const BYTES: usize = 5;

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.errno.to_ne_bytes();
        [self.stage as u8, a, b, c, d]
    }

    /// A report; `None` for bytes that are none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let &[stage, a, b, c, d] = bytes else { return None };
        let stage = Stage::ALL.into_iter().find(|known| *known as u8 == stage)?;
        Some(Self { stage, errno: c_int::from_ne_bytes([a, b, c, d]) })
    }
}

// === impl Stage ===

impl Stage {
    const ALL: [Self; 14] = [
        Self::Signals,
        Self::BoundingSet,
        Self::AmbientSet,
        Self::Groups,
        Self::Gid,
        Self::Uid,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::ParentDeath,
        Self::Descriptors,
        Self::Landlock,
        Self::Seccomp,
        Self::Exec,
        Self::Seal,
    ];

    /// For the sentence "… : Operation not permitted".
    pub(super) const fn act(self) -> &'static str {
        match self {
            Self::Seal => "make what no agent may change read-only",
            Self::Signals => "restore the default signal handling",
            Self::BoundingSet => "reduce the capability bounding set",
            Self::AmbientSet => "set the ambient capabilities",
            Self::Groups => "set the supplementary groups",
            Self::Gid => "set the group id",
            Self::Uid => "set the user id",
            Self::Capabilities => "drop all capabilities that the policy does not grant",
            Self::NoNewPrivileges => "set no_new_privs",
            Self::ParentDeath => "arrange to end with the launcher",
            Self::Descriptors => "close inherited descriptors",
            Self::Landlock => "enter the Landlock domain",
            Self::Seccomp => "install the system call filter",
            Self::Exec => "execute",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_survives_the_pipe() {
        for stage in Stage::ALL {
            let broken = Broken { stage, errno: libc::EPERM };
            assert_eq!(Broken::from_bytes(&broken.to_bytes()), Some(broken));
        }
        assert_eq!(Broken::from_bytes(&[0; 5]), None);
        assert_eq!(Broken::from_bytes(&[]), None);
    }
}
