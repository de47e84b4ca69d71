//! The programs' links to the enforced root: made once, pinned, and from then
//! on only updated. Each is pinned a second time, in `links-kept` beside
//! `links`: whoever removes a pin ends nothing, with or without a daemon, and
//! the next one puts it back. Until then the daemon is not ready.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::error::KernelError;
use super::programs::{HOOKUPS, Hookup, Need, Programs};
use super::sys;

/// Held and pinned links. Dropping it leaves the pins, and so the enforcement.
pub(crate) struct Links {
    dir: PathBuf,
    root: PathBuf,
    held: Vec<Held>,
}

struct Held {
    hookup: Hookup,
    prog_id: u32,
    link: OwnedFd,
}

// === impl Links ===

impl Links {
    /// Attaches every program to `root`, or puts it into the link that an
    /// earlier daemon has pinned: there is no moment without a program.
    pub(crate) fn attach(
        dir: &Path,
        root: &Path,
        programs: &Programs,
    ) -> Result<Self, KernelError> {
        let mut links = Self { dir: dir.to_owned(), root: root.to_owned(), held: Vec::new() };
        for hookup in HOOKUPS.iter().filter(|hookup| hookup.need == Need::Always) {
            links.hold(hookup, programs)?;
        }
        Ok(links)
    }

    /// Attaches the programs that judge Unix sockets by name, or takes them
    /// away where something better judges them by the peer's own cgroup.
    pub(crate) fn judge_unix_by_name(
        &mut self,
        programs: &Programs,
        wanted: bool,
    ) -> Result<(), KernelError> {
        for hookup in HOOKUPS.iter().filter(|hookup| hookup.need == Need::WhereThereIs) {
            let pin = self.dir.join(hookup.program);
            if wanted && programs.has(hookup) {
                self.hold(hookup, programs)?;
            } else if !wanted {
                remove(&pin)?;
            }
        }
        Ok(())
    }

    fn hold(&mut self, hookup: &Hookup, programs: &Programs) -> Result<(), KernelError> {
        let wrap = |source| KernelError::Attach {
            program: hookup.program,
            cgroup: self.root.clone(),
            source,
        };
        let id = sys::cgroup_id(&self.root).map_err(KernelError::io("read", &self.root))?;
        let program = programs.fd(hookup.program)?;
        let pin = self.dir.join(hookup.program);
        let link = match usable(&pin, id, &self.dir)? {
            Some(link) => {
                sys::link_update(link.as_fd(), program).map_err(wrap)?;
                link
            }
            None => {
                let cgroup = File::open(&self.root).map_err(KernelError::io("open", &self.root))?;
                let link =
                    sys::link_create(program, cgroup.as_fd(), hookup.attach_type).map_err(wrap)?;
                sys::pin(link.as_fd(), &pin).map_err(KernelError::io("pin", &pin))?;
                link
            }
        };
        keep(link.as_fd(), &pin).map_err(KernelError::io("pin a second time", &pin))?;
        self.held.push(Held { hookup: *hookup, prog_id: programs.id(hookup.program)?, link });
        Ok(())
    }

    /// What is not as it should be, one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = problems(&self.dir, &self.root);
        for held in &self.held {
            let pin = self.dir.join(held.hookup.program);
            problems.extend(self.kept(held, &pin));
            // One that a kernel may lack, and that was attached here, must stay.
            if held.hookup.need == Need::WhereThereIs {
                let id = sys::cgroup_id(&self.root).unwrap_or(0);
                problems.extend(problem(&self.dir, &held.hookup, id));
            }
            let Ok(Some(link)) = sys::open_pin(&pin) else { continue };
            if sys::link_info(link.as_fd()).is_ok_and(|info| info.prog_id != held.prog_id) {
                problems.push(format!("{}: its link holds another program", held.hookup.program));
            }
        }
        problems
    }

    /// Puts a second pin back that was removed, and says so.
    fn kept(&self, held: &Held, pin: &Path) -> Option<String> {
        let program = held.hookup.program;
        match keep(held.link.as_fd(), pin) {
            Ok(false) => None,
            Ok(true) => Some(format!("{program}: its second pin was gone, and is back")),
            Err(error) => Some(format!("{program}: its second pin is gone: {error}")),
        }
    }
}

/// Pins a link a second time where it is not; whether it was not.
fn keep(link: BorrowedFd<'_>, pin: &Path) -> io::Result<bool> {
    let second = second(pin);
    if sys::open_pin(&second)?.is_some() {
        return Ok(false);
    }
    if let Some(folder) = second.parent() {
        fs::create_dir_all(folder)?;
    }
    sys::pin(link, &second).map(|()| true)
}

/// Where the second pin is: `…/links-kept/NAME` of `…/links/NAME`.
fn second(pin: &Path) -> PathBuf {
    let beside = pin.parent().unwrap_or(pin).with_file_name("links-kept");
    pin.file_name().map_or(beside.clone(), |name| beside.join(name))
}

/// Removes both pins.
fn remove(pin: &Path) -> Result<(), KernelError> {
    for pin in [pin, &second(pin)] {
        if pin.exists() {
            fs::remove_file(pin).map_err(KernelError::io("remove", pin))?;
        }
    }
    Ok(())
}

/// Refuses, before anything is changed, links that hold another cgroup: what
/// they enforce stays as it is.
pub(crate) fn refuse_other_root(dir: &Path, root_id: u64) -> Result<(), KernelError> {
    for hookup in &HOOKUPS {
        let pin = dir.join(hookup.program);
        let Some(link) = sys::open_pin(&pin).map_err(KernelError::io("open", &pin))? else {
            continue;
        };
        let info = sys::link_info(link.as_fd()).map_err(KernelError::io("read", &pin))?;
        if info.cgroup_id != root_id && info.cgroup_id != 0 {
            return Err(elsewhere(&pin, &info, dir));
        }
    }
    Ok(())
}

fn elsewhere(pin: &Path, info: &sys::LinkInfo, dir: &Path) -> KernelError {
    let what = format!("{} is attached to another cgroup (id {})", pin.display(), info.cgroup_id);
    KernelError::Foreign { dir: dir.to_owned(), what }
}

/// A pinned link to exactly this cgroup. One to a cgroup that is gone is
/// removed: it covers nothing any more.
fn usable(pin: &Path, root_id: u64, dir: &Path) -> Result<Option<OwnedFd>, KernelError> {
    let Some(link) = found(pin).map_err(KernelError::io("open", pin))? else {
        return Ok(None);
    };
    let info = sys::link_info(link.as_fd()).map_err(KernelError::io("read", pin))?;
    if info.cgroup_id == root_id {
        return Ok(Some(link));
    }
    if info.cgroup_id == 0 {
        remove(pin)?;
        return Ok(None);
    }
    Err(elsewhere(pin, &info, dir))
}

/// The link that is pinned; a pin that was removed is put back from the second.
fn found(pin: &Path) -> io::Result<Option<OwnedFd>> {
    if let Some(link) = sys::open_pin(pin)? {
        return Ok(Some(link));
    }
    let Some(link) = sys::open_pin(&second(pin))? else { return Ok(None) };
    sys::pin(link.as_fd(), pin)?;
    Ok(Some(link))
}

/// What is wrong with the pinned links to `root`, as far as the pins tell.
pub(crate) fn problems(dir: &Path, root: &Path) -> Vec<String> {
    let Ok(id) = sys::cgroup_id(root) else {
        return vec![format!("the enforced root {} is gone", root.display())];
    };
    let needed = HOOKUPS.iter().filter(|hookup| hookup.need == Need::Always);
    needed.filter_map(|hookup| problem(dir, hookup, id)).collect()
}

fn problem(dir: &Path, hookup: &Hookup, root_id: u64) -> Option<String> {
    let program = hookup.program;
    let link = match sys::open_pin(&dir.join(program)) {
        Ok(Some(link)) => link,
        Ok(None) => return Some(format!("{program}: its pin is gone")),
        Err(error) => return Some(format!("{program}: its pin cannot be opened: {error}")),
    };
    match sys::link_info(link.as_fd()) {
        Ok(info) if info.cgroup_id == 0 => Some(format!("{program}: its link has been detached")),
        Ok(info) if info.cgroup_id != root_id => {
            Some(format!("{program}: attached to another cgroup (id {})", info.cgroup_id))
        }
        Ok(info) if info.attach_type != hookup.attach_type => {
            Some(format!("{program}: attached to another hook ({})", info.attach_type))
        }
        Ok(_) => None,
        Err(error) => Some(format!("{program}: its link cannot be read: {error}")),
    }
}
