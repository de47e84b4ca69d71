//! The Unix sockets that an agent's policy names, as the kernel compares them.

use std::path::Path;

use enforcer_common::UNIX_PATH;

use crate::policy::UnixName;

/// The beginning of an address; what stands behind `len` is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixPrefix {
    /// The address, NUL-padded; an abstract one begins with a NUL.
    pub path: [u8; UNIX_PATH],
    /// Bytes that count, 1 to [`UNIX_PATH`].
    pub len: u32,
}

/// What the policy names, and the agent's own folder.
pub(super) fn prefixes(named: &[UnixName], own: &Path) -> Vec<UnixPrefix> {
    let own = UnixName::Under(format!("{}/", own.display()));
    named.iter().chain([&own]).filter_map(prefix).collect()
}

/// A whole address counts with the NUL behind it, a folder with its `/`. `None`
/// for one that is too long to be an address at all.
fn prefix(name: &UnixName) -> Option<UnixPrefix> {
    let bytes = match name {
        UnixName::Path(path) => [path.as_bytes(), b"\0"].concat(),
        UnixName::Under(path) => path.as_bytes().to_vec(),
        UnixName::Abstract(name) => [b"\0", name.as_bytes(), b"\0"].concat(),
    };
    let mut path = [0; UNIX_PATH];
    path.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(UnixPrefix { path, len: u32::try_from(bytes.len()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_closed_by_its_nul_and_a_folder_is_open() {
        let closed = prefix(&UnixName::Path("/a".into())).expect("fits");
        assert_eq!((&closed.path[..3], closed.len), (&b"/a\0"[..], 3));
        let open = prefix(&UnixName::Under("/a/".into())).expect("fits");
        assert_eq!((&open.path[..3], open.len), (&b"/a/"[..], 3));
    }

    #[test]
    fn an_abstract_name_is_no_path() {
        let name = prefix(&UnixName::Abstract("a".into())).expect("fits");
        assert_eq!((&name.path[..3], name.len), (&b"\0a\0"[..], 3));
    }

    #[test]
    fn an_agent_reaches_its_own_folder_without_a_word() {
        let prefixes = prefixes(&[], Path::new("/run/enforcer/agents/worker"));
        assert_eq!(&prefixes[0].path[..28], b"/run/enforcer/agents/worker/");
    }
}
