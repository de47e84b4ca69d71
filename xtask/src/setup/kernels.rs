//! The kernels of the virtual machine: Debian's cloud kernels, each unpacked
//! into `target/vm/VERSION`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::setup::Step;
use crate::setup::suite::Suite;
use crate::workspace::Workspace;

/// Depends on a suite's newest kernel for virtual machines.
const METAPACKAGE: &str = "linux-image-cloud-amd64";

/// `(6, 12)` of Linux 6.12.95.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32);

/// A kernel that the tests run on.
struct Wanted {
    /// `None`: whatever is newest, and newer than all the others.
    version: Option<Version>,
    /// Suites that have it; the first that can be had is taken.
    suites: &'static [&'static str],
}

/// The oldest that is supported, the one of Debian 13, and the newest.
const WANTED: [Wanted; 3] = [
    Wanted { version: Some(Version(6, 1)), suites: &["bookworm"] },
    Wanted { version: Some(Version(6, 12)), suites: &["bookworm-backports", "trixie"] },
    Wanted { version: None, suites: &["sid", "forky"] },
];

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) version: Version,
    /// The root of its packages.
    pub(crate) dir: PathBuf,
}

// === impl Version ===

impl Version {
    pub(crate) const fn new(major: u32, minor: u32) -> Self {
        Self(major, minor)
    }

    /// Reads `6.12`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }

    /// Of `linux-image-7.2.13+deb14-cloud-amd64`; `None` for a metapackage.
    fn of_package(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix("linux-image-")?.split(['.', '+', '-']);
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.0, self.1))
    }
}

// === impl Wanted ===

impl Wanted {
    fn is_met_by(&self, version: Version) -> bool {
        match self.version {
            Some(exactly) => version == exactly,
            None => WANTED.iter().filter_map(|wanted| wanted.version).all(|known| version > known),
        }
    }

    fn step(&'static self) -> Step {
        let version = self.version.map_or("newest".to_owned(), |version| version.to_string());
        let suites = self.suites.join(" or ");
        Step {
            what: format!(
                "Debian's {version} cloud kernel from {suites} for the virtual machine, unpacked into target/vm (about 40 MB)"
            ),
            install: Box::new(move |workspace| {
                self.install(workspace).with_context(|| {
                    format!(
                        "the {version} kernel for the virtual machine cannot be had from Debian's {suites}"
                    )
                })
            }),
        }
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        let mut refused = Vec::new();
        for suite in self.suites {
            match self.install_from(workspace, suite) {
                Ok(()) => return Ok(()),
                Err(error) => refused.push(format!("{suite}: {error:#}")),
            }
        }
        bail!("{}", refused.join("\n"))
    }

    fn install_from(&self, workspace: &Workspace, suite: &str) -> Result<()> {
        let suite = Suite::open(workspace, suite)?;
        let packages = suite.closure(METAPACKAGE, is_of_cloud_kernel)?;
        let version = packages.iter().find_map(|name| Version::of_package(name));
        let version = version.with_context(|| format!("{METAPACKAGE} names no kernel"))?;
        if !self.is_met_by(version) {
            bail!("its newest cloud kernel is {version}");
        }
        // Renamed when whole: half a kernel must not look like one.
        let (part, target) =
            (workspace.vm().join("unpacking"), workspace.vm().join(version.to_string()));
        for dir in [&part, &target].into_iter().filter(|dir| dir.exists()) {
            fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        suite.unpack(workspace, &packages, &part)?;
        if (Kernel { version, dir: part.clone() }).image().is_none() {
            bail!("its packages hold no vmlinuz: {packages:?}");
        }
        fs::rename(&part, &target).with_context(|| format!("make {}", target.display()))?;
        suite.close()
    }
}

/// Since 7.x an image, its modules and its files are packages of their own.
fn is_of_cloud_kernel(package: &str) -> bool {
    package.starts_with("linux-") && package.ends_with("-cloud-amd64")
}

/// As the command line wants it.
pub(crate) fn parse_version(text: &str) -> Result<Version, String> {
    Version::parse(text).ok_or_else(|| format!("`{text}` is no kernel version like 6.12"))
}

/// Those that have not been unpacked yet.
pub(crate) fn missing(workspace: &Workspace) -> Vec<Step> {
    let found = found(workspace);
    let lacks = |wanted: &&Wanted| !found.iter().any(|kernel| wanted.is_met_by(kernel.version));
    WANTED.iter().filter(lacks).map(Wanted::step).collect()
}

/// Every unpacked kernel, the oldest first.
pub(crate) fn found(workspace: &Workspace) -> Vec<Kernel> {
    let entries = fs::read_dir(workspace.vm()).into_iter().flatten().flatten();
    let mut kernels: Vec<Kernel> = entries.filter_map(|entry| kernel_in(&entry.path())).collect();
    kernels.sort_by_key(|kernel| kernel.version);
    kernels
}

fn kernel_in(dir: &Path) -> Option<Kernel> {
    let version = Version::parse(dir.file_name()?.to_str()?)?;
    let kernel = Kernel { version, dir: dir.to_path_buf() };
    kernel.image().is_some().then_some(kernel)
}

// === impl Kernel ===

impl Kernel {
    /// What QEMU boots.
    pub(crate) fn image(&self) -> Option<PathBuf> {
        self.file(&|name| is_for_version(name, "vmlinuz"))
    }

    /// Any file of its packages, by name: they have moved from one Debian to the next.
    pub(crate) fn file(&self, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
        find(&self.dir, wanted)
    }

    /// The security modules that it starts by itself, as `lsm=` names them, with
    /// or without BPF among them.
    pub(crate) fn security_modules(&self, bpf: bool) -> Result<String> {
        let config = self.file(&|name| is_for_version(name, "config"));
        let config = config.context("the kernel's packages lack its configuration")?;
        let text =
            fs::read_to_string(&config).with_context(|| format!("read {}", config.display()))?;
        Ok(security_modules(&text, bpf))
    }
}

/// `vmlinuz-6.1.0-56-cloud-amd64` in `/boot`, `vmlinuz` in the folder of its version.
fn is_for_version(file: &str, what: &str) -> bool {
    file.strip_prefix(what).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn find(dir: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            if let Some(found) = find(&path, wanted) {
                return Some(found);
            }
        } else if wanted(&entry.file_name().to_string_lossy()) {
            return Some(path);
        }
    }
    None
}

fn security_modules(config: &str, bpf: bool) -> String {
    let line = config.lines().find_map(|line| line.strip_prefix("CONFIG_LSM="));
    let own = line.unwrap_or_default().trim_matches('"');
    let mut names: Vec<&str> = own.split(',').filter(|name| bpf || *name != "bpf").collect();
    if bpf && !names.contains(&"bpf") {
        names.push("bpf");
    }
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_version_is_read_and_a_metapackage_has_none() {
        let version = |name: &str| Version::of_package(name).map(|version| version.to_string());
        assert_eq!(version("linux-image-6.1.0-56-cloud-amd64").as_deref(), Some("6.1"));
        assert_eq!(version("linux-image-7.2.13+deb14-cloud-amd64").as_deref(), Some("7.2"));
        assert_eq!(version(METAPACKAGE), None);
        assert_eq!(version("linux-modules-7.2.13+deb14-cloud-amd64"), None);
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_letters() {
        assert!(Version::parse("6.9") < Version::parse("6.12"));
        assert_eq!(Version::parse("root"), None);
    }

    #[test]
    fn bpf_is_once_among_the_security_modules_or_not_at_all() {
        let (lacking, having) = ("CONFIG_LSM=\"lockdown,yama\"\n", "CONFIG_LSM=\"bpf,yama\"\n");
        assert_eq!(security_modules(lacking, true), "lockdown,yama,bpf");
        assert_eq!(security_modules(having, true), "bpf,yama");
        assert_eq!(security_modules(lacking, false), "lockdown,yama");
        assert_eq!(security_modules(having, false), "yama");
    }

    #[test]
    fn the_newest_is_newer_than_every_kernel_asked_for_by_number() {
        let [old, _, newest] = &WANTED;
        assert!(old.is_met_by(Version(6, 1)) && !old.is_met_by(Version(6, 12)));
        assert!(newest.is_met_by(Version(7, 2)) && !newest.is_met_by(Version(6, 12)));
    }
}
