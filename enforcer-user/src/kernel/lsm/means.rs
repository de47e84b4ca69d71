//! By which means the kernel calls the programs at its security hooks. The
//! programs are the same: their context is the hook's arguments either way.

use std::fmt;

use crate::kernel::load::LoadAs;

/// The means, the better one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// BPF as a security module. The kernel calls it only where it was started
    /// with `bpf` in `lsm=`.
    Lsm,
    /// In front of the function that asks the security modules: what the program
    /// returns, unless it is 0, is the function's answer. Needs no `lsm=`: the
    /// kernel takes such programs on every function whose name starts with
    /// `security_` (`check_attach_modify_return` of `kernel/bpf/verifier.c`).
    ModifyReturn,
}

// === impl Means ===

impl Means {
    pub(super) const ALL: [Self; 2] = [Self::Lsm, Self::ModifyReturn];

    /// The kernel's function that a program for `hook` attaches to.
    pub(super) fn function(self, hook: &str) -> String {
        match (self, hook) {
            (Self::Lsm, hook) => format!("bpf_lsm_{hook}"),
            // The one whose function has another name.
            (Self::ModifyReturn, "userns_create") => "security_create_user_ns".to_owned(),
            (Self::ModifyReturn, hook) => format!("security_{hook}"),
        }
    }

    /// How a program for the function of this number is loaded:
    /// `BPF_PROG_TYPE_LSM` or `BPF_PROG_TYPE_TRACING` of `include/uapi/linux/bpf.h`.
    pub(super) const fn target(self, function: u32) -> LoadAs {
        let prog_type = match self {
            Self::Lsm => 29,
            Self::ModifyReturn => 26,
        };
        LoadAs { prog_type, attach_type: self.attach_type(), attach_btf_id: function }
    }

    /// `BPF_LSM_MAC` or `BPF_MODIFY_RETURN`, likewise.
    pub(super) const fn attach_type(self) -> u32 {
        match self {
            Self::Lsm => 27,
            Self::ModifyReturn => 26,
        }
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lsm => "BPF LSM",
            Self::ModifyReturn => "fmod_ret",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::kernel::lsm::hooks::{Kind, PLACES};
    use crate::kernel::lsm::types::Types;

    #[test]
    fn the_kernel_that_runs_the_tests_has_every_function_of_every_means() {
        let path = Path::new("/sys/kernel/btf/vmlinux");
        if !path.exists() {
            return;
        }
        let types = Types::read(path).expect("the kernel's own");
        let hooks = PLACES.iter().filter(|place| place.kind == Kind::Hook);
        let functions = hooks.flat_map(|place| Means::ALL.map(|means| means.function(place.name)));
        let missing: Vec<_> = functions.filter(|name| types.function(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
