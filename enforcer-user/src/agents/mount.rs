//! Where this host has mounted the cgroup v2 hierarchy.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::{fs, io};

/// Why the hierarchy was not found.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The table cannot be read.
    #[error("read /proc/mounts: {0}")]
    Read(#[from] io::Error),
    /// It is not there.
    #[error("no cgroup2 file system is mounted")]
    Missing,
}

/// The first mount of the cgroup v2 hierarchy. Hosts differ (`/sys/fs/cgroup`,
/// `/sys/fs/cgroup/unified`), so it is always looked up.
///
/// # Errors
/// `/proc/mounts` is unreadable or has no `cgroup2` in it.
pub fn cgroup2_mount() -> Result<PathBuf, MountError> {
    first_cgroup2(&fs::read("/proc/mounts")?).ok_or(MountError::Missing)
}

fn first_cgroup2(table: &[u8]) -> Option<PathBuf> {
    table.split(|&b| b == b'\n').find_map(|line| {
        let mut fields = line.split(|&b| b == b' ');
        let (_device, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == b"cgroup2").then(|| PathBuf::from(OsString::from_vec(unescaped(target))))
    })
}

/// The table writes space, tab, newline and backslash as `\` and three octal
/// digits (kernel: `mangle_path`).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_where_it_is_mounted() {
        let hybrid =
            b"tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        assert_eq!(first_cgroup2(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(first_cgroup2(b"proc /proc proc rw 0 0\n"), None);
        assert_eq!(first_cgroup2(b""), None);
    }

    #[test]
    fn escapes_in_a_path_are_undone() {
        let odd = b"none /a\\040b\\134c\\9 cgroup2 rw 0 0";
        assert_eq!(first_cgroup2(odd), Some(PathBuf::from("/a b\\c\\9")));
    }
}
