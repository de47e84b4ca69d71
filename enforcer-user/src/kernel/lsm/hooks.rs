//! Which programs there are beside those on cgroups, and what each needs of
//! this kernel.

use enforcer_common::Field;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To a hook of the Linux security modules: it can refuse.
    Lsm,
    /// To a tracepoint: it can only watch, and kill.
    Tracepoint,
}

/// A program and the place in the kernel that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) program: &'static str,
    pub(crate) kind: Kind,
    /// The hook's or tracepoint's name.
    pub(crate) name: &'static str,
    /// What it reads of the kernel's structs.
    pub(crate) needs: &'static [Field],
}

/// All of them.
pub(crate) const PLACES: [Place; 2] =
    [lsm("lsm_bpf", "bpf", &[]), lsm("lsm_socket", "socket_create", &[])];

const fn lsm(program: &'static str, name: &'static str, needs: &'static [Field]) -> Place {
    Place { program, kind: Kind::Lsm, name, needs }
}

// === impl Kind ===

impl Kind {
    /// `enum bpf_attach_type` of `include/uapi/linux/bpf.h`.
    pub(crate) const fn attach_type(self) -> u32 {
        match self {
            Self::Lsm => 27,
            Self::Tracepoint => 23,
        }
    }
}
