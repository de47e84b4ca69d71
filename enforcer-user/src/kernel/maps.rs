//! Typed handles on the pinned maps.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use aya::maps::{HashMap, LpmTrie, Map, MapData, MapInfo, RingBuf};
use enforcer_common::{
    AgentEntry, AgentState, Control, InterfaceKey, Line, Lines, NAME_LEN, PortRule, UnixKey,
};

use super::error::KernelError;
use super::mapped::Mapped;

/// The maps that hold policy, state and counters.
pub(crate) struct Maps {
    pub(crate) control: Mapped<Control>,
    pub(crate) agents: Mapped<AgentEntry>,
    pub(crate) states: Mapped<AgentState>,
    pub(crate) names: Mapped<[u8; NAME_LEN]>,
    pub(crate) prefixes: Mapped<Line>,
    pub(crate) port_rules: Mapped<PortRule>,
    pub(crate) cgroups: HashMap<MapData, u64, u32>,
    pub(crate) interfaces: HashMap<MapData, InterfaceKey, u32>,
    pub(crate) unix_paths: LpmTrie<MapData, UnixKey, u32>,
    pub(crate) cgroup_capacity: u32,
}

/// What a map must look like for this binary.
struct Shape {
    name: &'static str,
    key: usize,
    value: usize,
}

// === impl Maps ===

impl Maps {
    /// Opens what is pinned in `dir`; `writable` maps the arrays for writing.
    pub(crate) fn open(dir: &Path, writable: bool) -> Result<Self, KernelError> {
        let (interfaces, _) = pinned::<InterfaceKey, u32>(dir, "INTERFACES")?;
        let (unix_paths, _) = pinned::<[u8; 116], u32>(dir, "UNIX_PATHS")?;
        let (cgroups, cgroup_capacity) = pinned::<u64, u32>(dir, "CGROUPS")?;
        Ok(Self {
            control: mapped(dir, "CONTROL", writable)?,
            agents: mapped(dir, "AGENTS", writable)?,
            states: mapped(dir, "STATES", writable)?,
            names: mapped(dir, "NAMES", writable)?,
            prefixes: mapped(dir, "PREFIXES", writable)?,
            port_rules: mapped(dir, "PORT_RULES", writable)?,
            cgroups: Map::HashMap(cgroups).try_into().map_err(KernelError::map("CGROUPS"))?,
            interfaces: Map::HashMap(interfaces)
                .try_into()
                .map_err(KernelError::map("INTERFACES"))?,
            unix_paths: Map::LpmTrie(unix_paths)
                .try_into()
                .map_err(KernelError::map("UNIX_PATHS"))?,
            cgroup_capacity,
        })
    }

    /// The layout version of what is pinned in `dir`, whatever else is there.
    pub(crate) fn version(dir: &Path) -> Result<u32, KernelError> {
        let control: Mapped<Control> = mapped(dir, "CONTROL", false)?;
        Ok(control.get(0).unwrap_or_default().abi)
    }

    /// The control block.
    pub(crate) fn control(&self) -> Control {
        self.control.get(0).unwrap_or_default()
    }

    /// The name in a slot; `None` where it is free.
    pub(crate) fn name(&self, slot: u32) -> Option<String> {
        let name = self.names.get(slot)?;
        let len = name.iter().position(|&b| b == 0).unwrap_or(NAME_LEN);
        (len > 0).then(|| String::from_utf8_lossy(&name[..len]).into_owned())
    }
}

impl Lines for Mapped<Line> {
    /// A copy: another process may be writing a line that is in no run.
    type Line<'a> = Line;

    fn line(&self, index: u32) -> Option<Line> {
        self.get(index)
    }
}

/// Opens a pinned ring buffer.
pub(crate) fn ring(dir: &Path, name: &'static str) -> Result<RingBuf<MapData>, KernelError> {
    let data = MapData::from_pin(dir.join(name)).map_err(KernelError::map(name))?;
    Map::RingBuf(data).try_into().map_err(KernelError::map(name))
}

fn mapped<T: aya::Pod>(
    dir: &Path,
    name: &'static str,
    writable: bool,
) -> Result<Mapped<T>, KernelError> {
    let (data, len) = pinned::<u32, T>(dir, name)?;
    let fd: BorrowedFd<'_> = data.fd().as_fd();
    Mapped::new(fd, len, writable).map_err(KernelError::io("map", &dir.join(name)))
}

/// Opens a pinned map and its number of entries, after comparing its shape.
pub(crate) fn pinned<K, V>(dir: &Path, name: &'static str) -> Result<(MapData, u32), KernelError> {
    let path = dir.join(name);
    if !path.exists() {
        return Err(KernelError::NoPins { dir: dir.to_owned() });
    }
    let info = MapInfo::from_pin(&path).map_err(KernelError::map(name))?;
    Shape { name, key: size_of::<K>(), value: size_of::<V>() }.compare(dir, &info)?;
    let data = MapData::from_pin(&path).map_err(KernelError::map(name))?;
    Ok((data, info.max_entries()))
}

impl Shape {
    fn compare(&self, dir: &Path, info: &MapInfo) -> Result<(), KernelError> {
        let found = (info.key_size() as usize, info.value_size() as usize);
        if found == (self.key, self.value) {
            return Ok(());
        }
        let what = format!(
            "{} has keys of {} and values of {} bytes, this binary uses {} and {}",
            self.name, found.0, found.1, self.key, self.value
        );
        Err(KernelError::Foreign { dir: dir.to_owned(), what })
    }
}
