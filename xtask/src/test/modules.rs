//! The kernel modules of the guest, as files that `insmod` takes in this order.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::setup::kernels::Kernel;
use crate::workspace::Workspace;

/// The modules of one kernel on their way into the guest.
pub(crate) struct Modules<'a> {
    workspace: &'a Workspace,
    kernel: &'a Kernel,
    /// Where they go.
    target: PathBuf,
    /// Their files, each after those that it depends on.
    order: String,
    seen: BTreeSet<String>,
}

/// Puts the modules named in `tests/vm/modules`, and those that they depend on,
/// into `target`, in place of what was there.
pub(crate) fn place(workspace: &Workspace, kernel: &Kernel, target: &Path) -> Result<()> {
    let list = workspace.root().join("tests/vm/modules");
    let wanted = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    if target.exists() {
        fs::remove_dir_all(target).with_context(|| format!("remove {}", target.display()))?;
    }
    fs::create_dir_all(target).with_context(|| format!("create {}", target.display()))?;
    let mut modules = Modules {
        workspace,
        kernel,
        target: target.to_path_buf(),
        order: String::new(),
        seen: BTreeSet::new(),
    };
    for name in wanted.lines().filter(|line| !line.starts_with('#')) {
        modules.add(name)?;
    }
    fs::write(target.join("order"), &modules.order).context("write the order of the modules")
}

// === impl Modules ===

impl Modules<'_> {
    fn add(&mut self, name: &str) -> Result<()> {
        if !self.seen.insert(name.to_owned()) || self.is_built_in(name)? {
            return Ok(());
        }
        let found = self.kernel.file(&|file| is_module(file, name));
        let found =
            found.with_context(|| format!("no module {name} in Linux {}", self.kernel.version))?;
        let content = self.read(&found)?;
        for needed in depends(&content) {
            self.add(&needed)?;
        }
        let file = format!("{name}.ko");
        fs::write(self.target.join(&file), content).with_context(|| format!("write {file}"))?;
        self.order += &format!("{file}\n");
        Ok(())
    }

    /// What one kernel has as a module another one has built in.
    fn is_built_in(&self, name: &str) -> Result<bool> {
        let list = self.kernel.file(&|file| file == "modules.builtin");
        let list = list.context("the kernel's packages lack modules.builtin")?;
        let text = fs::read_to_string(list)?;
        Ok(text.lines().any(|path| is_module(path.rsplit('/').next().unwrap_or(path), name)))
    }

    /// Newer packages compress each module.
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        if path.extension().is_none_or(|end| end != "xz") {
            return fs::read(path).with_context(|| format!("read {}", path.display()));
        }
        let mut unxz = Command::new(self.workspace.vm().join("busybox"));
        unxz.args(["unxz", "-c"]).arg(path).stdin(Stdio::null());
        let out = unxz.output().with_context(|| format!("start {unxz:?}"))?;
        if !out.status.success() {
            bail!("{unxz:?}: {}", String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(out.stdout)
    }
}

/// Whether `file` is the module `name`; a dash in one is an underscore in the other.
fn is_module(file: &str, name: &str) -> bool {
    let stem = file.strip_suffix(".xz").unwrap_or(file).strip_suffix(".ko");
    stem.is_some_and(|stem| stem.replace('-', "_") == name.replace('-', "_"))
}

/// The `depends=a,b` entry of a module's `.modinfo` section.
fn depends(module: &[u8]) -> Vec<String> {
    let entry = module.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(entry.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modules_dependencies_are_read_from_its_modinfo() {
        assert_eq!(
            depends(b"\x7fELF\0license=GPL\0depends=libcrc32c,nf_tables\0x"),
            ["libcrc32c", "nf_tables"]
        );
        assert!(depends(b"license=GPL\0depends=\0").is_empty());
    }

    #[test]
    fn a_module_is_found_compressed_and_with_a_dash_for_an_underscore() {
        assert!(is_module("veth.ko", "veth") && is_module("veth.ko.xz", "veth"));
        assert!(is_module("vmw-x.ko.xz", "vmw_x"));
        assert!(!is_module("veth.ko.sig", "veth") && !is_module("xveth.ko", "veth"));
    }
}
