//! The layer as a whole: attached, watched, described.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::calls;
use super::canary;
use super::constants::Constants;
use super::hooks::{PLACES, Place};
use super::load::Loader;
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
    program: OwnedFd,
    _link: OwnedFd,
}

// === impl Layer ===

impl Layer {
    /// Attaches what this kernel takes. Links of this kind cannot be given
    /// another program (the kernel has no `update_prog` for them): the new one
    /// is attached beside the old before it takes over its pin.
    pub(crate) fn attach(dir: &Path, programs: &mut Programs, constants: &Constants) -> Self {
        let loader = Loader::new(constants);
        let (mut held, mut absent) = (Vec::new(), Vec::new());
        for place in PLACES {
            let attach_type = loader.attach_type(&place);
            let attached = loader.load(programs, &place).and_then(|()| {
                Held::attach(dir, programs, place, attach_type).map_err(|error| error.to_string())
            });
            match attached {
                Ok(one) => held.push(one),
                Err(why) => absent.push((place, why)),
            }
        }
        let means = loader.means.and_then(|means| proven(&held, &absent).map(|()| means));
        let places = held.iter().map(|held| held.place);
        let state = LayerState::new(places, absent, means, constants.ends_children());
        Self { dir: dir.to_owned(), held, state }
    }

    /// What holds on this host.
    pub(crate) fn state(&self) -> &LayerState {
        &self.state
    }

    /// What is not as it was when it was attached, one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.held.iter().filter_map(|h| h.problem(&self.dir)).collect();
        if self.state.refuses() && !canary::is_called() {
            problems.push("security hooks: their programs are not called any more".to_owned());
        }
        problems
    }

    /// Calls that no program judged. The kernel leaves a tracing program out while
    /// the same program is suspended on that processor
    /// (`__bpf_prog_enter_recur` of `kernel/bpf/trampoline.c`).
    pub(crate) fn unjudged(&self) -> u64 {
        self.held.iter().map(|held| sys::missed_runs(held.program.as_fd()).unwrap_or(0)).sum()
    }
}

/// The kernel calls the programs at the hooks: one of them answers.
fn proven(held: &[Held], absent: &[(Place, String)]) -> Result<(), String> {
    let is_canary = |place: &Place| place.program == canary::PROGRAM;
    if held.iter().any(|held| is_canary(&held.place)) {
        return canary::is_called().then_some(()).ok_or_else(|| "no program is called".to_owned());
    }
    let why = absent.iter().find(|(place, _)| is_canary(place));
    Err(why.map_or_else(|| "no hook answers".to_owned(), |(_, why)| why.clone()))
}

// === impl Held ===

impl Held {
    fn attach(
        dir: &Path,
        programs: &Programs,
        place: Place,
        attach_type: u32,
    ) -> Result<Self, KernelError> {
        let wrap = |source| KernelError::Hook { program: place.program, hook: place.name, source };
        let fd = programs.fd(place.program)?;
        let program = fd.try_clone_to_owned().map_err(wrap)?;
        let link = calls::link_create_tracing(fd, attach_type).map_err(wrap)?;
        let (fresh, pin) = (dir.join(format!("{}_new", place.program)), dir.join(place.program));
        // bpffs takes no dots. Left behind by a daemon that ended between these two steps.
        let _stale = fs::remove_file(&fresh);
        sys::pin(link.as_fd(), &fresh).map_err(KernelError::io("pin", &fresh))?;
        fs::rename(&fresh, &pin).map_err(KernelError::io("replace pin", &pin))?;
        Ok(Self { place, prog_id: programs.id(place.program)?, program, _link: link })
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
