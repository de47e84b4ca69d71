//! The kernel programs: which there are, and how they are loaded.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use aya::programs::{Program, ProgramError};
use aya::{Ebpf, EbpfLoader};
use enforcer_common::OUTCOMES;

use super::error::KernelError;
use super::lsm::Constants;
use crate::config::Capacity;

// Defines `BPF_OBJECT`; written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/bpf_object.rs"));

/// A program and where it attaches (`enum bpf_attach_type`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hookup {
    pub(crate) program: &'static str,
    pub(crate) attach_type: u32,
}

/// All programs, the judge of packets first: whatever the others miss, it sees.
pub(crate) const HOOKUPS: [Hookup; 6] = [
    Hookup { program: "egress_skb", attach_type: 1 },
    Hookup { program: "socket_create", attach_type: 2 },
    Hookup { program: "egress_connect4", attach_type: 10 },
    Hookup { program: "egress_connect6", attach_type: 11 },
    Hookup { program: "egress_sendmsg4", attach_type: 14 },
    Hookup { program: "egress_sendmsg6", attach_type: 15 },
];

/// Every map that outlives the daemon. The programs' own log ring does not.
pub(crate) const MAPS: [&str; 13] = [
    "CONTROL",
    "AGENTS",
    "STATES",
    "NAMES",
    "CGROUPS",
    "PREFIXES",
    "PORT_RULES",
    "COUNTERS",
    "RECORD_STATS",
    "SOCKETS",
    "RECORDS",
    "ALARMS",
    "TASKS",
];

/// Programs loaded into the kernel, not yet attached.
pub(crate) struct Programs {
    pub(crate) ebpf: Ebpf,
}

/// Whether this binary holds the kernel programs.
pub fn embedded() -> bool {
    !BPF_OBJECT.is_empty()
}

// === impl Programs ===

impl Programs {
    /// Loads the programs; maps that are pinned in `maps` are reused, the
    /// others are made and pinned there.
    pub(crate) fn load(
        maps: &Path,
        capacity: &Capacity,
        constants: &Constants,
    ) -> Result<Self, KernelError> {
        if BPF_OBJECT.is_empty() {
            return Err(KernelError::NoPrograms);
        }
        let mut loader = EbpfLoader::new();
        for map in MAPS {
            loader.map_pin_path(map, maps.join(map));
        }
        for (map, entries) in sizes(capacity) {
            loader.map_max_entries(map, entries);
        }
        // aya has no type for task storage, which only programs read anyway.
        loader.allow_unsupported_maps();
        constants.give_to(&mut loader);
        let mut ebpf = loader.load(BPF_OBJECT)?;
        for hookup in HOOKUPS {
            load(&mut ebpf, hookup.program).map_err(|source| KernelError::Program {
                program: hookup.program,
                source: Box::new(source),
            })?;
        }
        Ok(Self { ebpf })
    }

    /// The loaded program's descriptor.
    pub(crate) fn fd(&self, program: &'static str) -> Result<BorrowedFd<'_>, KernelError> {
        let wrap = |source| KernelError::Program { program, source: Box::new(source) };
        let program = self.ebpf.program(program).ok_or(KernelError::NoPrograms)?;
        Ok(program.fd().map_err(wrap)?.as_fd())
    }

    /// The loaded program's id.
    pub(crate) fn id(&self, program: &'static str) -> Result<u32, KernelError> {
        let wrap = |source| KernelError::Program { program, source: Box::new(source) };
        let program = self.ebpf.program(program).ok_or(KernelError::NoPrograms)?;
        Ok(program.info().map_err(wrap)?.id())
    }
}

/// Entries of the maps whose size is set by `[capacity]`. One slot more than
/// agents: the first belongs to unassigned cgroups.
pub(crate) fn sizes(capacity: &Capacity) -> [(&'static str, u32); 7] {
    let slots = capacity.agents.saturating_add(1);
    [
        ("AGENTS", slots),
        ("STATES", slots),
        ("NAMES", slots),
        ("RECORD_STATS", slots),
        ("COUNTERS", slots.saturating_mul(OUTCOMES)),
        ("PREFIXES", capacity.prefixes),
        ("PORT_RULES", capacity.port_rules),
    ]
}

fn load(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProgramError> {
    match ebpf.program_mut(name) {
        Some(Program::CgroupSkb(program)) => program.load(),
        Some(Program::CgroupSock(program)) => program.load(),
        Some(Program::CgroupSockAddr(program)) => program.load(),
        _ => Err(ProgramError::NotLoaded),
    }
}
