//! Programs for hooks that aya 0.14 has no name for: parsed and relocated by
//! its object library, loaded by ourselves.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya_obj::btf::BtfError;
use aya_obj::{Object, ParseError};

use super::load::{self, LoadAs};

/// Why such a program is not in the kernel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnlistedError {
    #[error("{0}")]
    Parse(#[from] ParseError),
    #[error("{0}")]
    Relocate(#[from] aya_obj::relocation::EbpfRelocationError),
    #[error("{0}")]
    Types(#[from] BtfError),
    #[error("it is not in the object")]
    Missing,
    #[error("{0}")]
    Kernel(#[from] io::Error),
}

/// The object with the descriptors of its maps in place.
pub(crate) struct Unlisted {
    object: Object,
    types: Option<OwnedFd>,
    /// What the instructions name; open until the last program is loaded.
    _maps: HashMap<String, OwnedFd>,
}

// === impl Unlisted ===

impl Unlisted {
    /// Parses `object`, whose maps `open` finds by name. One that it does not
    /// find (the programs' log) gets no descriptor, and a program that uses it is
    /// refused by the kernel.
    pub(crate) fn relocate(
        object: &[u8],
        open: impl Fn(&str) -> io::Result<Option<OwnedFd>>,
    ) -> Result<Self, UnlistedError> {
        let mut object = Object::parse(object)?;
        let types = load_types(&mut object)?;
        let mut maps: HashMap<String, OwnedFd> = HashMap::new();
        for name in object.maps.keys() {
            if let Some(fd) = open(name)? {
                maps.insert(name.clone(), fd);
            }
        }
        let known = object.maps.clone();
        let fds = known
            .iter()
            .map(|(name, map)| (name.as_str(), maps.get(name).map_or(-1, AsRawFd::as_raw_fd), map));
        let sections: HashSet<usize> =
            object.functions.keys().map(|(section, _)| *section).collect();
        object.relocate_maps(fds, &sections)?;
        object.relocate_calls(&sections)?;
        Ok(Self { object, types, _maps: maps })
    }

    /// Loads one program.
    pub(crate) fn load(&self, program: &str, target: LoadAs) -> Result<OwnedFd, UnlistedError> {
        let found = self.object.programs.get(program).ok_or(UnlistedError::Missing)?;
        let code =
            self.object.functions.get(&found.function_key()).ok_or(UnlistedError::Missing)?;
        let types = self.types.as_ref().map(AsFd::as_fd);
        Ok(load::load_program(program, code, &found.license, types, target)?)
    }
}

/// The object's type information in the kernel, as far as the kernel knows its
/// kinds; `None` where it knows none.
fn load_types(object: &mut Object) -> Result<Option<OwnedFd>, UnlistedError> {
    let Some(known) = aya::features().btf() else { return Ok(None) };
    let types = object.fixup_and_sanitize_btf(known)?.map(aya_obj::btf::Btf::to_bytes);
    Ok(types.map(|bytes| load::load_types(&bytes)).transpose()?)
}
