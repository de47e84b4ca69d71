//! What the programs are told about this kernel and this host when they are
//! loaded: constants for the verifier, which knows each value.

use std::fs;
use std::path::Path;

use aya::EbpfLoader;
use enforcer_common::{COMPUTE_DEVICES, Field, FieldOffsets};

use super::hooks::BASE;
use super::types::{Types, TypesError};

/// Where kernels show their type information.
pub(super) const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Which numbers its drivers have.
const DEVICES: &str = "/proc/devices";

/// Sends a signal to any process (6.13 and newer).
const SIGNAL_TASK: &str = "bpf_send_signal_task";
/// What the programs call instead (`enforcer-ebpf`, `escape`).
const PLACEHOLDER: u32 = 0x7e4f_0001;
/// `BPF_JMP | BPF_CALL`, no registers, no offset.
const CALL: [u8; 4] = [0x85, 0, 0, 0];
/// `BPF_PSEUDO_KFUNC_CALL` as source register.
const KERNEL_FUNCTION: u8 = 2 << 4;

/// The values of the constants.
pub(crate) struct Constants {
    offsets: FieldOffsets,
    root: u64,
    level: u32,
    /// Number of the kernel function that signals any process.
    signal_task: Option<u32>,
    has_signal_task: u32,
    compute_majors: [u32; COMPUTE_DEVICES.len()],
    /// Fields that this kernel does not have.
    missing: Vec<Field>,
    /// Where all of this is from.
    types: Result<Types, TypesError>,
}

// === impl Constants ===

impl Constants {
    /// Looks up every field; `root` and `level` are the enforced root's.
    pub(crate) fn look_up(root: u64, level: u32) -> Self {
        let types = Types::read(Path::new(BTF));
        let signal_task = types.as_ref().ok().and_then(|types| types.function(SIGNAL_TASK));
        let (mut offsets, mut missing) = ([0; Field::COUNT], Vec::new());
        for (&field, offset) in Field::ALL.iter().zip(&mut offsets) {
            let (container, path) = field.place();
            match types.as_ref().ok().and_then(|types| types.offset(container, path)) {
                Some(found) => *offset = found,
                None => missing.push(field),
            }
        }
        Self {
            offsets,
            root,
            level,
            signal_task,
            has_signal_task: signal_task.is_some().into(),
            compute_majors: compute_majors(&fs::read_to_string(DEVICES).unwrap_or_default()),
            missing,
            types,
        }
    }

    /// The kernel's type information; or why there is none.
    pub(crate) fn types(&self) -> Result<&Types, String> {
        self.types.as_ref().map_err(|error| format!("no type information: {error}"))
    }

    /// Gives them to the programs that `loader` is about to load.
    pub(crate) fn give_to<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader.override_global("FIELD_OFFSETS", &self.offsets, true);
        loader.override_global("ENFORCED_ROOT", &self.root, true);
        loader.override_global("ENFORCED_LEVEL", &self.level, true);
        loader.override_global("COMPUTE_MAJORS", &self.compute_majors, true);
        loader.override_global("HAS_SIGNAL_TASK", &self.has_signal_task, true);
    }

    /// Whether a process that was started outside can be ended.
    pub(crate) fn ends_children(&self) -> bool {
        self.signal_task.is_some()
    }

    /// The object with the call to the kernel's function in it. aya has no
    /// calls of kernel functions; the programs call a helper of an impossible
    /// number in a branch that is dead where the function is missing.
    pub(crate) fn patch(&self, object: &[u8]) -> Vec<u8> {
        let mut object = object.to_vec();
        let Some(number) = self.signal_task else { return object };
        for instruction in object.chunks_exact_mut(8) {
            if instruction[..4] == CALL && instruction[4..] == PLACEHOLDER.to_le_bytes() {
                instruction[1] = KERNEL_FUNCTION;
                instruction[4..].copy_from_slice(&number.to_le_bytes());
            }
        }
        object
    }

    /// Why a program that needs these fields cannot work here.
    pub(crate) fn lacking(&self, needs: &[&[Field]]) -> Option<String> {
        let mut all = BASE.iter().chain(needs.iter().copied().flatten());
        let missing = all.find(|field| self.missing.contains(field))?;
        let (container, path) = missing.place();
        Some(match self.types() {
            Err(problem) => problem,
            Ok(_) => format!("this kernel has no field {path} in struct {container}"),
        })
    }
}

/// The majors of [`COMPUTE_DEVICES`], 0 where there is none.
fn compute_majors(devices: &str) -> [u32; COMPUTE_DEVICES.len()] {
    let characters = devices.split("Block devices:").next().unwrap_or_default();
    let known: Vec<_> = characters.lines().filter_map(|line| line.trim().split_once(' ')).collect();
    COMPUTE_DEVICES.map(|wanted| {
        let found = known.iter().find(|(_, name)| *name == wanted);
        found.and_then(|(major, _)| major.parse().ok()).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_are_those_of_character_devices() {
        let devices = "Character devices:\n  1 mem\n235 kfd\n511 nvidia-uvm\n\nBlock devices:\n  9 nvidia-caps\n";
        assert_eq!(compute_majors(devices), [511, 0, 235]);
        assert_eq!(compute_majors(""), [0; 3]);
    }
}
