//! The kernel handle: starts or adopts, applies plans, answers questions.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enforcer_common::{ABI_VERSION, AgentEntry, AgentLimits, BANKS, Cap, Control, SLOT_UNBOUND};

use super::counters::Counters;
use super::error::KernelError;
use super::links::{self, Links};
use super::lsm::{self, Constants, Layer, LayerState};
use super::maps::Maps;
use super::mount;
use super::own_files::OwnFiles;
use super::programs::Programs;
use super::resident::Residents;
use super::rings::Rings;
use super::slots::Slots;
use super::sys;
use crate::compile::{AgentPlan, RuleInfo};
use crate::config::Settings;

/// Where things are on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Folder of the pins.
    pub bpf_dir: PathBuf,
    /// The enforced root, absolute.
    pub root: PathBuf,
}

/// How the kernel side came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Maps and links of an earlier daemon were taken over.
    pub adopted: bool,
}

/// The kernel side. Cheap to share; dropping it leaves the enforcement alone.
pub struct Kernel {
    paths: Paths,
    links: Links,
    layer: Layer,
    unix: String,
    rings: Mutex<Option<Rings>>,
    pub(super) tables: Mutex<Tables>,
    own_files: Mutex<OwnFiles>,
    pub(super) counters: Counters,
}

/// What `apply` changes, behind one lock.
pub(super) struct Tables {
    pub(super) maps: Maps,
    pub(super) slots: Slots,
    pub(super) residents: Residents,
    /// For clearing a slot before its next owner gets it.
    pub(super) counters: Counters,
    /// Plans in force, by agent, with their policy ids.
    pub(super) plans: HashMap<String, (u32, AgentPlan)>,
    /// What rule ids mean, for the policies of the last generations.
    pub(super) rules: HashMap<u32, Arc<Vec<RuleInfo>>>,
}

/// Records of unassigned cgroups: enough to be seen, too few to crowd out.
const UNBOUND_RECORDS: (u64, u64) = (100, 200);
const SECOND_NS: u64 = 1_000_000_000;

// === impl Paths ===

impl Paths {
    /// Looks up the cgroup2 mount.
    ///
    /// # Errors
    /// There is none.
    pub fn of(settings: &Settings) -> Result<Self, KernelError> {
        let root = mount::cgroup2_mount()?.join(&settings.root);
        Ok(Self { bpf_dir: settings.bpf_dir.clone(), root })
    }

    pub(super) fn maps(&self) -> PathBuf {
        self.bpf_dir.join("maps")
    }

    pub(super) fn links(&self) -> PathBuf {
        self.bpf_dir.join("links")
    }
}

// === impl Kernel ===

impl Kernel {
    /// Loads the programs and attaches them to the enforced root, which is made
    /// if missing. What an earlier daemon has pinned is taken over: its maps
    /// as they are, its links by exchanging their programs. From here on
    /// everything below the root that no applied plan names is denied.
    ///
    /// # Errors
    /// See [`KernelError`]; what was enforced before is enforced still.
    pub fn start(settings: &Settings) -> Result<(Self, Start), KernelError> {
        let paths = Paths::of(settings)?;
        mount::prepare_bpf_dir(&paths.bpf_dir)?;
        fs::create_dir_all(&paths.root).map_err(KernelError::io("create", &paths.root))?;
        let adopted = paths.maps().join("CONTROL").exists();
        if adopted {
            refuse_other_abi(&paths)?;
        }
        let root = sys::cgroup_id(&paths.root).map_err(KernelError::io("read", &paths.root))?;
        links::refuse_other_root(&paths.links(), root)?;
        let constants = Constants::look_up(root, root_level(&paths)?);
        let mut programs = Programs::load(&paths.maps(), &settings.capacity, &constants)?;
        let maps = Maps::open(&paths.maps(), true)?;
        prepare(&maps, &paths)?;
        let mut links = Links::attach(&paths.links(), &paths.root, &programs)?;
        let layer = Layer::attach(&paths.links(), &mut programs, &constants);
        links.judge_unix_by_name(&programs, !layer.state().judges_unix())?;
        let unix = unix_in_words(layer.state(), &programs);
        let rings = Rings::open(&paths.maps(), &mut programs)?;
        let tables = Tables {
            slots: Slots::adopt(&maps),
            residents: Residents::adopt(&maps)?,
            counters: Counters::open(&paths.maps())?,
            maps,
            plans: HashMap::new(),
            rules: HashMap::new(),
        };
        if adopted {
            // The daemon before may have ended between a binding and its epoch.
            tables.maps.move_epoch();
        }
        let own_files = OwnFiles::adopt(&paths.maps())?;
        let kernel = Self {
            counters: Counters::open(&paths.maps())?,
            paths,
            links,
            layer,
            unix,
            rings: Mutex::new(Some(rings)),
            tables: Mutex::new(tables),
            own_files: Mutex::new(own_files),
        };
        Ok((kernel, Start { adopted }))
    }

    /// The ring buffers; `None` the second time.
    pub fn take_rings(&self) -> Option<Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where things are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// What is wrong with links and pins, one sentence each; empty when all
    /// programs are attached where they belong.
    pub fn verify(&self) -> Vec<String> {
        let mut problems = self.links.problems();
        problems.extend(self.layer.problems());
        let maps = self.paths.maps();
        for map in super::programs::MAPS {
            if !maps.join(map).exists() {
                problems.push(format!("map {map}: its pin is gone"));
            }
        }
        problems
    }

    /// Keeps these files, and those directly in these folders, from agents that
    /// are root, where the security hooks hold.
    ///
    /// # Errors
    /// The kernel refused an entry: those after it are not kept.
    pub fn keep_own_files(&self, places: &[PathBuf]) -> Result<(), KernelError> {
        self.own_files.lock().unwrap_or_else(PoisonError::into_inner).keep(places)
    }

    /// Which of the programs that are not on cgroups hold here.
    pub fn layer(&self) -> &LayerState {
        self.layer.state()
    }

    /// By which means the programs at the kernel's security hooks are called, how
    /// many hold, and what escaped them, for people.
    pub fn security_hooks(&self) -> String {
        let held = self.layer.state().security();
        match self.layer.unjudged() {
            0 => held,
            missed => format!("{held}; {missed} calls went by unjudged"),
        }
    }

    /// How connections to Unix sockets outside are judged here, for people.
    pub fn unix_sockets(&self) -> &str {
        &self.unix
    }

    /// Lets a process of the daemon's go into agents' cgroups and come back.
    ///
    /// # Errors
    /// There is no such process, or the pins are gone.
    pub fn trust(&self, pid: u32) -> Result<(), KernelError> {
        lsm::trust(&self.paths.maps(), pid)
    }

    /// Panics in another thread do not make the tables wrong: every step of
    /// `apply` leaves them usable.
    pub(super) fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_in_words(layer: &LayerState, programs: &Programs) -> String {
    match programs.absent.first() {
        _ if layer.judges_unix() => "judged by the peer's cgroup".to_owned(),
        None => "judged by name".to_owned(),
        Some((program, why)) => format!("not judged ({program}: {why})"),
    }
}

/// Removes links and pins: all enforcement ends.
///
/// # Errors
/// The folder is on no bpffs, so it cannot hold pins; or a pin could not be
/// removed, and the others are gone.
pub fn detach(bpf_dir: &Path) -> Result<(), KernelError> {
    if bpf_dir.exists() && !sys::is_bpffs(bpf_dir) {
        return Err(KernelError::NotBpffs { path: bpf_dir.to_owned() });
    }
    let mut first_error = Ok(());
    for folder in ["links", "links-kept", "maps"] {
        let folder = bpf_dir.join(folder);
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
            && first_error.is_ok()
        {
            first_error = Err(KernelError::io("remove", &folder)(error));
        }
    }
    first_error
}

/// Layouts of another version must not be read as ours.
fn refuse_other_abi(paths: &Paths) -> Result<(), KernelError> {
    // The others may be missing: an earlier start ended before it had made them.
    let abi = Maps::version(&paths.maps())?;
    // Zero: it ended before anything was attached.
    if abi == ABI_VERSION || abi == 0 {
        return Ok(());
    }
    let what = format!("they have layout version {abi}, this binary uses {ABI_VERSION}");
    Err(KernelError::Foreign { dir: paths.bpf_dir.clone(), what })
}

/// How far below the cgroup2 mount the enforced root is.
fn root_level(paths: &Paths) -> Result<u32, KernelError> {
    let mount = mount::cgroup2_mount()?;
    let below = paths.root.strip_prefix(&mount).map_or(0, |path| path.components().count());
    Ok(u32::try_from(below).unwrap_or(u32::MAX))
}

/// What the programs need before the first packet reaches them.
fn prepare(maps: &Maps, paths: &Paths) -> Result<(), KernelError> {
    let control =
        Control { abi: ABI_VERSION, root_level: root_level(paths)?, resets: 0, ..maps.control() };
    let (rate, burst) = UNBOUND_RECORDS;
    let records = Cap::new(rate, SECOND_NS, burst).unwrap_or(Cap::NONE);
    let unbound = AgentLimits { records, ..AgentLimits::default() };
    let fits = maps.control.set(0, control)
        && maps.agents.set(SLOT_UNBOUND, AgentEntry { banks: [unbound; BANKS] });
    if fits { Ok(()) } else { Err(KernelError::NoPins { dir: paths.maps() }) }
}
