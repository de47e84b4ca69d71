//! The kernel programs: which there are, and how they are loaded.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use aya::maps::Map;
use aya::programs::{Program, ProgramError};
use aya::{Ebpf, EbpfLoader};
use enforcer_common::{BANKS, OUTCOMES};

use super::error::KernelError;
use super::load::LoadAs;
use super::lsm::Constants;
use super::sys;
use super::unlisted::Unlisted;
use crate::config::Capacity;

// Defines `BPF_OBJECT`; written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/bpf_object.rs"));

/// A program and where it attaches (`enum bpf_attach_type`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hookup {
    pub(crate) program: &'static str,
    pub(crate) attach_type: u32,
    pub(crate) need: Need,
}

/// Whether the daemon starts without a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Every kernel from the baseline on has the hook.
    Always,
    /// Younger than the baseline, and unknown to aya: a kernel without it is
    /// named by `doctor` and `status`.
    WhereThereIs,
}

/// All programs, the judge of packets first: whatever the others miss, it sees.
pub(crate) const HOOKUPS: [Hookup; 12] = [
    always("egress_skb", 1),
    always("socket_create", 2),
    always("egress_connect4", 10),
    always("egress_connect6", 11),
    always("egress_sendmsg4", 14),
    always("egress_sendmsg6", 15),
    always("ingress_skb", 0),
    always("socket_option", 22),
    always("device_access", 6),
    always("kernel_setting", 18),
    Hookup { program: "connect_unix", attach_type: 49, need: Need::WhereThereIs },
    Hookup { program: "sendmsg_unix", attach_type: 50, need: Need::WhereThereIs },
];

const fn always(program: &'static str, attach_type: u32) -> Hookup {
    Hookup { program, attach_type, need: Need::Always }
}

/// Every map that outlives the daemon. The programs' own log ring does not.
pub(crate) const MAPS: [&str; 17] = [
    "CONTROL",
    "AGENTS",
    "STATES",
    "NAMES",
    "CGROUPS",
    "PREFIXES",
    "PORT_RULES",
    "INTERFACES",
    "UNIX_PATHS",
    "FILES",
    "COUNTERS",
    "RECORD_STATS",
    "SHORTCUTS",
    "SOCKETS",
    "RECORDS",
    "ALARMS",
    "TASKS",
];

/// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR`.
const SOCK_ADDR: u32 = 18;

/// Programs loaded into the kernel, not yet attached.
pub(crate) struct Programs {
    pub(crate) ebpf: Ebpf,
    /// What those that aya cannot load are loaded from.
    object: Result<Unlisted, String>,
    /// Those that aya could not load, by name.
    unlisted: HashMap<&'static str, OwnedFd>,
    /// Those that this kernel has no hook for, and its word on it.
    pub(crate) absent: Vec<(&'static str, String)>,
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
        let mut ebpf = loader.load(&constants.patch(BPF_OBJECT))?;
        for hookup in HOOKUPS.iter().filter(|hookup| hookup.need == Need::Always) {
            load(&mut ebpf, hookup.program).map_err(|source| KernelError::Program {
                program: hookup.program,
                source: Box::new(source),
            })?;
        }
        let object = Unlisted::relocate(BPF_OBJECT, |map| open(&ebpf, maps, map));
        let object = object.map_err(|error| error.to_string());
        let mut programs = Self { ebpf, object, unlisted: HashMap::new(), absent: Vec::new() };
        programs.load_unlisted();
        Ok(programs)
    }

    fn load_unlisted(&mut self) {
        for hookup in HOOKUPS.iter().filter(|hookup| hookup.need == Need::WhereThereIs) {
            let target =
                LoadAs { prog_type: SOCK_ADDR, attach_type: hookup.attach_type, attach_btf_id: 0 };
            if let Err(why) = self.load_as(hookup.program, target) {
                self.absent.push((hookup.program, why));
            }
        }
    }

    /// Loads a program past aya; the refusal is for people.
    pub(crate) fn load_as(&mut self, program: &'static str, target: LoadAs) -> Result<(), String> {
        let object = self.object.as_ref().map_err(Clone::clone)?;
        let fd = object.load(program, target).map_err(|error| error.to_string())?;
        self.unlisted.insert(program, fd);
        Ok(())
    }

    /// Whether the program is in the kernel.
    pub(crate) fn has(&self, hookup: &Hookup) -> bool {
        !self.absent.iter().any(|(program, _)| *program == hookup.program)
    }

    /// The loaded program's descriptor.
    pub(crate) fn fd(&self, program: &'static str) -> Result<BorrowedFd<'_>, KernelError> {
        if let Some(fd) = self.unlisted.get(program) {
            return Ok(fd.as_fd());
        }
        let wrap = |source| KernelError::Program { program, source: Box::new(source) };
        let program = self.ebpf.program(program).ok_or(KernelError::NoPrograms)?;
        Ok(program.fd().map_err(wrap)?.as_fd())
    }

    /// The loaded program's id.
    pub(crate) fn id(&self, program: &'static str) -> Result<u32, KernelError> {
        let fd = self.fd(program)?;
        sys::program_id(fd).map_err(KernelError::io("ask about", Path::new(program)))
    }
}

/// A map of the object: by its pin, or one of the constants, which `ebpf` made.
fn open(ebpf: &Ebpf, maps: &Path, name: &str) -> std::io::Result<Option<OwnedFd>> {
    if MAPS.contains(&name) {
        return sys::open_pin(&maps.join(name));
    }
    match ebpf.map(name) {
        Some(Map::Array(map)) => map.fd().as_fd().try_clone_to_owned().map(Some),
        _ => Ok(None),
    }
}

/// Entries of the maps whose size is set by `[capacity]`. One slot more than
/// agents: the first belongs to unassigned cgroups. An agent may have some cgroups
/// below its own, some interfaces, some Unix sockets.
pub(crate) fn sizes(capacity: &Capacity) -> [(&'static str, u32); 11] {
    let slots = capacity.agents.saturating_add(1);
    let some = |each: u32, least: u32| slots.saturating_mul(each).max(least);
    [
        ("AGENTS", slots),
        ("STATES", slots),
        ("NAMES", slots),
        ("RECORD_STATS", slots),
        ("SHORTCUTS", slots),
        ("COUNTERS", slots.saturating_mul(OUTCOMES)),
        ("CGROUPS", some(4, 16_384)),
        ("INTERFACES", some(4, 8192)),
        ("UNIX_PATHS", some(4, 8192)),
        ("PREFIXES", lines(capacity)),
        ("PORT_RULES", capacity.port_rules),
    ]
}

/// Lines for so many prefixes: five in two lines (see `Image`), and for each agent
/// and bank the first line, those of lengths, and one begun of each kind.
fn lines(capacity: &Capacity) -> u32 {
    const BEGUN: u64 = 8;
    let of_agents = (u64::from(capacity.agents) + 1) * BANKS as u64 * BEGUN;
    u32::try_from(of_agents + u64::from(capacity.prefixes) * 2 / 5).unwrap_or(u32::MAX)
}

fn load(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProgramError> {
    match ebpf.program_mut(name) {
        Some(Program::CgroupSkb(program)) => program.load(),
        Some(Program::CgroupSock(program)) => program.load(),
        Some(Program::CgroupSockAddr(program)) => program.load(),
        Some(Program::CgroupSockopt(program)) => program.load(),
        Some(Program::CgroupDevice(program)) => program.load(),
        Some(Program::CgroupSysctl(program)) => program.load(),
        _ => Err(ProgramError::NotLoaded),
    }
}
