//! What the programs are told about this kernel and this host when they are
//! loaded: constants for the verifier, which knows each value.

use std::path::Path;

use aya::EbpfLoader;
use enforcer_common::{Field, FieldOffsets};

use super::types::Types;

/// Where kernels show their type information.
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The values of the constants.
pub(crate) struct Constants {
    offsets: FieldOffsets,
    root: u64,
    level: u32,
    /// Fields that this kernel does not have.
    pub(crate) missing: Vec<Field>,
    /// Why no field is known.
    pub(crate) problem: Option<String>,
}

// === impl Constants ===

impl Constants {
    /// Looks up every field; `root` and `level` are the enforced root's.
    pub(crate) fn look_up(root: u64, level: u32) -> Self {
        let types = Types::read(Path::new(BTF));
        let problem = types.as_ref().err().map(ToString::to_string);
        let (mut offsets, mut missing) = ([0; Field::COUNT], Vec::new());
        for (&field, offset) in Field::ALL.iter().zip(&mut offsets) {
            let (container, path) = field.place();
            match types.as_ref().ok().and_then(|types| types.offset(container, path)) {
                Some(found) => *offset = found,
                None => missing.push(field),
            }
        }
        Self { offsets, root, level, missing, problem }
    }

    /// Gives them to the programs that `loader` is about to load.
    pub(crate) fn give_to<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader.override_global("FIELD_OFFSETS", &self.offsets, true);
        loader.override_global("ENFORCED_ROOT", &self.root, true);
        loader.override_global("ENFORCED_LEVEL", &self.level, true);
    }

    /// Why a program that needs these fields cannot work here.
    pub(crate) fn lacking(&self, needs: &[&[Field]]) -> Option<String> {
        let missing = needs.iter().copied().flatten().find(|field| self.missing.contains(field))?;
        let (container, path) = missing.place();
        Some(match &self.problem {
            Some(problem) => format!("no type information: {problem}"),
            None => format!("this kernel has no field {path} in struct {container}"),
        })
    }
}
