//! What the host has to have around the kernel programs.

use std::fs;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::cli::doctor::Check;

/// The oldest kernel that the programs are tested on.
const BASELINE: (u32, u32) = (6, 1);
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Where bpffs belongs; `enforcer run` mounts it there.
const BPFFS: &str = "/sys/fs/bpf";
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";
/// Without these no program loads.
const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN];

pub(super) fn checks(bpf_dir: &Path) -> impl Iterator<Item = Check> {
    [version(), btf(), bpffs(bpf_dir), jit(), capabilities()].into_iter()
}

fn version() -> Check {
    let release = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let found = format!("{release} ({}.{} or newer is needed)", BASELINE.0, BASELINE.1);
    match parse_release(&release) {
        Some(version) if version >= BASELINE => Check::ok("kernel", found),
        _ => Check::degraded("kernel", found)
            .cost("nobody has tested enforcement on it")
            .remedy("use a newer kernel, or trust the checks below and `enforcer run`'s own proof"),
    }
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn btf() -> Check {
    if Path::new(BTF).exists() {
        return Check::ok("type information (BTF)", BTF);
    }
    Check::missing("type information (BTF)", format!("{BTF} does not exist"))
        .cost("the programs cannot be matched to this kernel and do not load")
        .remedy("use a kernel built with CONFIG_DEBUG_INFO_BTF=y")
}

/// The pins may not exist yet: the nearest folder above them that does.
fn bpffs(bpf_dir: &Path) -> Check {
    let existing = bpf_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    if statfs(existing).is_ok_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC) {
        return Check::ok("bpffs", format!("mounted; {} is in it", existing.display()));
    }
    if bpf_dir.starts_with(BPFFS) && Path::new(BPFFS).is_dir() {
        return Check::ok("bpffs", format!("not mounted yet; `enforcer run` mounts {BPFFS}"));
    }
    Check::missing("bpffs", format!("{} is not in a BPF file system", bpf_dir.display()))
        .cost("nothing can be pinned: enforcement would end with the daemon")
        .remedy("mount one (mount -t bpf bpf DIR) and set `bpf_dir` to a folder in it")
}

fn jit() -> Check {
    match fs::read_to_string(JIT).as_deref().map(str::trim) {
        Ok("0") => Check::degraded("JIT", "off")
            .cost("programs are interpreted: several times slower for each packet")
            .remedy("sysctl net.core.bpf_jit_enable=1"),
        Ok(value) => Check::ok("JIT", format!("on (bpf_jit_enable = {value})")),
        Err(error) => Check::degraded("JIT", format!("{JIT}: {error}"))
            .cost("programs may be interpreted: several times slower for each packet")
            .remedy("look at net.core.bpf_jit_enable in the host's own network namespace"),
    }
}

fn capabilities() -> Check {
    match lacking(&NEEDED) {
        lacking if lacking.is_empty() => {
            Check::ok("capabilities", "this process may load programs")
        }
        lacking => Check::missing("capabilities", format!("this process lacks {lacking}"))
            .cost(
                "it may not load or attach programs; some checks below fail for that reason alone",
            )
            .remedy("run as root"),
    }
}

pub(super) fn lacking(wanted: &[Capability]) -> String {
    let has = caps::read(None, CapSet::Effective).unwrap_or_default();
    let names = wanted.iter().filter(|c| !has.contains(c)).map(ToString::to_string);
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_vendors_are_understood() {
        let releases = ["6.1.0-18-cloud-amd64", "6.18", "5.15.153.1-microsoft", "7.2-rc1", "x", ""];
        let versions = [Some((6, 1)), Some((6, 18)), Some((5, 15)), Some((7, 2)), None, None];
        assert_eq!(releases.map(parse_release), versions);
    }

    #[test]
    fn a_folder_that_is_no_bpffs_is_missing() {
        let dir = tempfile::tempdir().expect("a folder");
        let check = bpffs(&dir.path().join("not/yet"));
        assert_eq!(check.state, crate::cli::doctor::State::Missing);
    }
}
