//! The layer as a whole: attached, watched, described.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya::Btf;

use super::calls;
use super::canary::{self, Runs};
use super::constants::Constants;
use super::hooks::{PLACES, Place};
use super::load;
use super::state::LayerState;
use crate::kernel::error::KernelError;
use crate::kernel::programs::Programs;
use crate::kernel::sys;

/// Held and pinned links. Dropping it leaves the pins, and so the enforcement.
pub(crate) struct Layer {
    dir: PathBuf,
    held: Vec<Held>,
    state: LayerState,
}

struct Held {
    place: Place,
    prog_id: u32,
    _link: OwnedFd,
}

// === impl Layer ===

impl Layer {
    /// Attaches what this kernel takes. Links of this kind cannot be given
    /// another program (the kernel has no `update_prog` for them): the new one
    /// is attached beside the old before it takes over its pin.
    pub(crate) fn attach(
        dir: &Path,
        programs: &mut Programs,
        constants: &Constants,
    ) -> Result<Self, KernelError> {
        let btf = Btf::from_sys_fs().map_err(|error| format!("no type information: {error}"));
        let (mut held, mut absent) = (Vec::new(), Vec::new());
        for place in PLACES {
            match load::load(&mut programs.ebpf, &btf, constants, &place) {
                Ok(()) => held.push(Held::attach(dir, programs, place)?),
                Err(why) => absent.push((place, why)),
            }
        }
        let has_canary = held.iter().any(|held| held.place.program == canary::PROGRAM);
        let runs = if has_canary { canary::ask() } else { Runs::Unknown };
        let state = LayerState::new(
            held.iter().map(|held| held.place),
            absent,
            runs,
            constants.ends_children(),
        );
        Ok(Self { dir: dir.to_owned(), held, state })
    }

    /// What holds on this host.
    pub(crate) fn state(&self) -> &LayerState {
        &self.state
    }

    /// What is not as it was when it was attached, one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.held.iter().filter_map(|h| h.problem(&self.dir)).collect();
        if self.state.runs == Runs::Yes && canary::ask() != Runs::Yes {
            problems.push("BPF LSM: its programs are not called any more".to_owned());
        }
        problems
    }
}

// === impl Held ===

impl Held {
    fn attach(dir: &Path, programs: &Programs, place: Place) -> Result<Self, KernelError> {
        let program = programs.fd(place.program)?;
        let link =
            calls::link_create_tracing(program, place.kind.attach_type()).map_err(|source| {
                KernelError::Hook { program: place.program, hook: place.name, source }
            })?;
        let (fresh, pin) = (dir.join(format!("{}_new", place.program)), dir.join(place.program));
        // bpffs takes no dots. Left behind by a daemon that ended between these two steps.
        let _stale = fs::remove_file(&fresh);
        sys::pin(link.as_fd(), &fresh).map_err(KernelError::io("pin", &fresh))?;
        fs::rename(&fresh, &pin).map_err(KernelError::io("replace pin", &pin))?;
        Ok(Self { place, prog_id: programs.id(place.program)?, _link: link })
    }

    fn problem(&self, dir: &Path) -> Option<String> {
        let program = self.place.program;
        let link = match sys::open_pin(&dir.join(program)) {
            Ok(Some(link)) => link,
            Ok(None) => return Some(format!("{program}: its pin is gone")),
            Err(error) => return Some(format!("{program}: its pin cannot be opened: {error}")),
        };
        match sys::link_program(link.as_fd()) {
            Ok(id) if id == self.prog_id => None,
            Ok(_) => Some(format!("{program}: its link holds another program")),
            Err(error) => Some(format!("{program}: its link cannot be read: {error}")),
        }
    }
}
