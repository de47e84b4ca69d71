//! A Debian suite of which this host knows nothing: its lists are fetched into
//! a folder of their own, so that /etc/apt and the host's lists stay as they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::apt;
use crate::shell;
use crate::workspace::Workspace;

/// What signs every suite of Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Asked where the host's own sources name no mirror of Debian.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

/// A suite's lists, fetched.
pub(crate) struct Suite {
    name: String,
    state: PathBuf,
}

// === impl Suite ===

impl Suite {
    /// Fetches the lists of the suite `name`.
    pub(crate) fn open(workspace: &Workspace, name: &str) -> Result<Self> {
        if !apt::is_here() {
            bail!("Debian's suite {name} is read with apt-get and dpkg, which this host has not");
        }
        if !Path::new(KEYRING).is_file() {
            bail!(
                "no {KEYRING} to check Debian's signatures with\nhint: apt-get install debian-archive-keyring"
            );
        }
        let suite = Self { name: name.to_owned(), state: workspace.vm().join("apt").join(name) };
        for dir in ["lists/partial", "cache/archives/partial"] {
            let dir = suite.state.join(dir);
            fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        }
        let source = format!("deb [signed-by={KEYRING}] {} {name} main\n", mirror());
        let list = suite.sources();
        fs::write(&list, &source).with_context(|| format!("write {}", list.display()))?;
        let mut update = suite.apt("apt-get", &["update"]);
        // Without it an unreachable mirror is a warning.
        update.args(["-o", "APT::Update::Error-Mode=any"]);
        let log = workspace.logs().join(format!("apt-{name}.log"));
        shell::run_logged(&format!("lists of Debian's {name}"), &mut update, &log)
            .with_context(|| format!("fetch the lists of `{}`", source.trim_end()))?;
        Ok(suite)
    }

    /// `package` and, of what it depends on, all whose name `wanted` accepts.
    pub(crate) fn closure(
        &self,
        package: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeSet<String>> {
        let (mut found, mut open) = (BTreeSet::new(), vec![package.to_owned()]);
        while let Some(name) = open.pop() {
            let mut show = self.apt("apt-cache", &["show", "--no-all-versions", &name]);
            let shown = shell::output(&mut show)
                .with_context(|| format!("look for {name} in Debian's {}", self.name))?;
            found.insert(name);
            open.extend(depends(&shown).filter(|name| wanted(name) && !found.contains(name)));
        }
        Ok(found)
    }

    /// Downloads `packages` and unpacks them into `target`; installs nothing.
    pub(crate) fn unpack(
        &self,
        workspace: &Workspace,
        packages: &BTreeSet<String>,
        target: &Path,
    ) -> Result<()> {
        let mut download = self.apt("apt-get", &["download"]);
        download.args(packages);
        let aside = self.state.join("downloads");
        let log = workspace.logs().join(format!("download-{}.log", self.name));
        let title = format!("download {} packages of Debian's {}", packages.len(), self.name);
        apt::extract(&mut download, &title, &log, &aside, target)
    }

    /// Removes the lists: some 60 MB, and stale by the next time.
    pub(crate) fn close(self) -> Result<()> {
        fs::remove_dir_all(&self.state).with_context(|| format!("remove {}", self.state.display()))
    }

    fn sources(&self) -> PathBuf {
        self.state.join("sources.list")
    }

    /// An apt program that sees this suite and nothing of the host's sources.
    fn apt(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        let state = self.state.display();
        let settings = [
            format!("Dir::State={state}"),
            format!("Dir::State::lists={state}/lists"),
            format!("Dir::Cache={state}/cache"),
            format!("Dir::Etc::sourcelist={}", self.sources().display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Dir::Etc::preferences=/dev/null".to_owned(),
            "Dir::Etc::preferencesparts=/dev/null".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "Acquire::Languages=none".to_owned(),
            // What software centres show of each package: half of the download.
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            // apt's own unprivileged user may not write below target/.
            "APT::Sandbox::User=root".to_owned(),
        ];
        command.arg("-q").args(settings.iter().flat_map(|setting| ["-o", setting]));
        command.args(words);
        command
    }
}

/// Where the host itself gets Debian's packages.
fn mirror() -> String {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let listed = shell::output(&mut targets).unwrap_or_default();
    first_mirror(&listed).unwrap_or(DEFAULT_MIRROR).to_owned()
}

/// A mirror of Debian's main archive is a folder named `debian`, by convention.
fn first_mirror(listed: &str) -> Option<&str> {
    listed.lines().map(|uri| uri.trim_end_matches('/')).find(|uri| uri.ends_with("/debian"))
}

/// The package names in the `Depends:` line of what `apt-cache show` printed.
fn depends(shown: &str) -> impl Iterator<Item = String> + '_ {
    let line = shown.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    line.split([',', '|']).filter_map(|word| word.split_whitespace().next()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_a_dependency_line() {
        let shown = "Package: p\nDepends: dracut | initramfs-tools (>= 0.120), linux-modules-7 (= 7.2-1)\nSize: 1\n";
        let names: Vec<_> = depends(shown).collect();
        assert_eq!(names, ["dracut", "initramfs-tools", "linux-modules-7"]);
        assert_eq!(depends("Package: p\n").count(), 0);
    }

    #[test]
    fn the_mirror_is_the_hosts_and_no_other_archive() {
        let listed = "https://deb.nodesource.com/node_20.x/\nhttp://deb.debian.org/debian-security/\nhttp://mirror.test/debian/\n";
        assert_eq!(first_mirror(listed), Some("http://mirror.test/debian"));
        assert_eq!(first_mirror("https://deb.nodesource.com/node_20.x/"), None);
    }
}
