//! What a policy lets pass besides addresses: Unix sockets and interfaces.

use std::collections::BTreeMap;

use aya::maps::MapError;
use aya::maps::lpm_trie::Key;
use enforcer_common::{InterfaceKey, UnixKey};

use super::error::KernelError;
use super::maps::Maps;
use crate::compile::{AgentPlan, UnixPrefix};

/// One policy's entries.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    unix: Vec<(u32, UnixKey)>,
    /// Interfaces by name, with the index that each had when it was looked up;
    /// 0 where there was none.
    interfaces: BTreeMap<String, u32>,
}

// === impl Passes ===

impl Passes {
    /// Entries of an earlier daemon, by policy; their interfaces have no name
    /// any more, so they only wait to be removed.
    pub(crate) fn adopt(maps: &Maps) -> Result<BTreeMap<u32, Self>, KernelError> {
        let mut found: BTreeMap<u32, Self> = BTreeMap::new();
        for entry in maps.unix_paths.iter() {
            let (key, _) = entry.map_err(KernelError::map("UNIX_PATHS"))?;
            let data = key.data();
            found.entry(data.policy_id).or_default().unix.push((key.prefix_len(), data));
        }
        for entry in maps.interfaces.iter() {
            let (key, _) = entry.map_err(KernelError::map("INTERFACES"))?;
            let name = format!("#{}", key.index);
            found.entry(key.policy_id).or_default().interfaces.insert(name, key.index);
        }
        Ok(found)
    }

    /// Writes what the plan names under this policy id. After an error
    /// [`Passes::remove`] takes out what was written.
    pub(crate) fn insert(
        &mut self,
        maps: &mut Maps,
        id: u32,
        plan: &AgentPlan,
    ) -> Result<(), KernelError> {
        for prefix in &plan.unix {
            let (bits, key) = unix_key(id, prefix);
            maps.unix_paths
                .insert(&Key::new(bits, key), 1, 0)
                .map_err(KernelError::map("UNIX_PATHS"))?;
            self.unix.push((bits, key));
        }
        for name in &plan.interfaces {
            self.interfaces.insert(name.clone(), 0);
        }
        self.look_up_interfaces(maps, id).map(drop)
    }

    /// Follows interfaces that came, went, or came back under another index;
    /// whether one did.
    pub(crate) fn look_up_interfaces(
        &mut self,
        maps: &mut Maps,
        id: u32,
    ) -> Result<bool, KernelError> {
        let mut moved = false;
        for (name, known) in &mut self.interfaces {
            let index = nix::net::if_::if_nametoindex(name.as_str()).unwrap_or(0);
            if index == *known {
                continue;
            }
            if *known != 0 {
                remove_interface(maps, id, *known)?;
            }
            if index != 0 {
                let key = InterfaceKey { policy_id: id, index };
                maps.interfaces.insert(key, 1, 0).map_err(KernelError::map("INTERFACES"))?;
            }
            *known = index;
            moved = true;
        }
        Ok(moved)
    }

    /// Takes everything out again.
    pub(crate) fn remove(self, maps: &mut Maps, id: u32) -> Result<(), KernelError> {
        for (bits, key) in self.unix {
            gone(maps.unix_paths.remove(&Key::new(bits, key)))
                .map_err(KernelError::map("UNIX_PATHS"))?;
        }
        let indexes = self.interfaces.into_values().filter(|index| *index != 0);
        indexes.into_iter().try_for_each(|index| remove_interface(maps, id, index))
    }
}

fn unix_key(policy_id: u32, prefix: &UnixPrefix) -> (u32, UnixKey) {
    (32 + 8 * prefix.len, UnixKey { policy_id, path: prefix.path })
}

fn remove_interface(maps: &mut Maps, policy_id: u32, index: u32) -> Result<(), KernelError> {
    gone(maps.interfaces.remove(&InterfaceKey { policy_id, index }))
        .map_err(KernelError::map("INTERFACES"))
}

/// What is not there any more has been removed.
pub(crate) fn gone(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(e)) if e.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}
