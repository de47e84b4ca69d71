//! From where they are into the agent's cgroup, standing still.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::Refusal;
use super::target::{Target, cgroup_of};

/// How long processes may take to stand still; some wait inside the kernel.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks for processes that came after the last look.
const ROUNDS: u32 = 50;

/// Processes in a frozen cgroup below the agent's. Dropping it lets them go on,
/// as the agent's.
#[derive(Debug)]
pub(super) struct Staged {
    cgroup: PathBuf,
    home: PathBuf,
    /// Where each came from, absolute.
    origins: Vec<(u32, PathBuf)>,
    notes: Vec<String>,
}

// === impl Staged ===

impl Staged {
    /// Freezes and moves what `target` names. What was moved is put back when
    /// the rest cannot be.
    pub(super) fn take(mount: &Path, home: &Path, target: &Target) -> Result<Self, Refusal> {
        let cgroup = make_below(home).map_err(|e| refused("make a cgroup below", home, &e))?;
        let mut staged =
            Self { cgroup, home: home.to_owned(), origins: Vec::new(), notes: Vec::new() };
        let moved = staged.fill(mount, target);
        if let Err(refusal) = moved {
            staged.put_back();
            return Err(refusal);
        }
        staged.wait_frozen();
        Ok(staged)
    }

    /// The processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.origins.iter().map(|(pid, _)| *pid).collect()
    }

    /// What did not go as it should.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Moves them into the agent's cgroup itself, where it takes processes, and
    /// lets them go on. Gives where they are.
    pub(super) fn settle(self) -> PathBuf {
        let moved = self.origins.iter().try_for_each(|(pid, _)| join(&self.home, *pid));
        let place = if moved.is_ok() { &self.home } else { &self.cgroup };
        place.clone()
    }

    fn fill(&mut self, mount: &Path, target: &Target) -> Result<(), Refusal> {
        freeze(&self.cgroup, true).map_err(|e| refused("freeze", &self.cgroup, &e))?;
        let Target::Cgroup(source) = target else { return self.add(mount, target.processes()) };
        // Standing still they start nobody who would be missed.
        let was_frozen = is_frozen(source);
        freeze(source, true).map_err(|e| refused("freeze", source, &e))?;
        let moved = self.empty(mount, target);
        if !was_frozen {
            freeze(source, false).map_err(|e| refused("thaw", source, &e))?;
        }
        moved
    }

    fn empty(&mut self, mount: &Path, target: &Target) -> Result<(), Refusal> {
        for _ in 0..ROUNDS {
            let pids = target.processes();
            if pids.is_empty() {
                return Ok(());
            }
            self.add(mount, pids)?;
        }
        Err(Refusal::new("new processes come faster than they can be adopted")
            .hint("freeze their cgroup first: write 1 to its cgroup.freeze"))
    }

    fn add(&mut self, mount: &Path, pids: Vec<u32>) -> Result<(), Refusal> {
        for pid in pids {
            let Some(origin) = cgroup_of(pid) else { continue };
            match join(&self.cgroup, pid) {
                Ok(()) => self.origins.push((pid, mount.join(origin))),
                // It has ended.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => {
                    let message = format!("move process {pid}: {error}");
                    let hint = format!("into {}", self.cgroup.display());
                    return Err(Refusal::new(message).hint(hint));
                }
            }
        }
        Ok(())
    }

    fn put_back(&self) {
        for (pid, origin) in &self.origins {
            if let Err(error) = join(origin, *pid) {
                tracing::error!("put process {pid} back into {}: {error}", origin.display());
            }
        }
    }

    fn wait_frozen(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !is_frozen(&self.cgroup) {
            if Instant::now() > deadline {
                let note = "some processes did not stand still: they may have opened sockets meanwhile; adopt again";
                return self.notes.push(note.to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = freeze(&self.cgroup, false) {
            tracing::error!("thaw {}: {error}", self.cgroup.display());
        }
        // Not empty where the agent's own cgroup takes no processes.
        if let Err(error) = fs::remove_dir(&self.cgroup) {
            tracing::debug!("remove {}: {error}", self.cgroup.display());
        }
    }
}

/// A new cgroup with a name that nobody has.
fn make_below(home: &Path) -> io::Result<PathBuf> {
    (1_u32..)
        .map(|number| home.join(format!("adopted-{number}")))
        .map(|path| fs::create_dir(&path).map(|()| path))
        .find(|made| !matches!(made, Err(e) if e.kind() == io::ErrorKind::AlreadyExists))
        .unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))
}

fn freeze(cgroup: &Path, still: bool) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.freeze"), if still { "1" } else { "0" })
}

fn is_frozen(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
}

fn join(cgroup: &Path, pid: u32) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), pid.to_string())
}

fn refused(act: &str, cgroup: &Path, error: &io::Error) -> Refusal {
    Refusal::new(format!("{act} {}: {error}", cgroup.display()))
}
