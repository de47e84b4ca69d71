//! The guest's root file system: init, busybox, `ip`, kernel modules, the
//! programs under test and the libraries that they load.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::test::binaries::{self, Built};
use crate::workspace::Workspace;

/// Puts the root file system together and returns the archive that QEMU loads.
pub(crate) fn make(workspace: &Workspace, built: &Built) -> Result<PathBuf> {
    let root = workspace.vm().join("root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
    }
    for dir in ["bin", "sbin", "tests", "modules"] {
        fs::create_dir_all(root.join(dir))
            .with_context(|| format!("create {dir} in {}", root.display()))?;
    }
    copy(&workspace.root().join("tests/vm/init"), &root.join("init"))?;
    copy(&workspace.vm().join("busybox"), &root.join("bin/busybox"))?;
    let ip = shell::which("ip").context("no `ip` on this host")?;
    copy(&ip.canonicalize()?, &root.join("sbin/ip"))?;
    libraries(&ip, &root)?;
    programs(built, &root)?;
    modules(workspace, &root)?;
    archive(workspace, &root)
}

/// The tests of the tiers that need a kernel, and what they start.
fn programs(built: &Built, root: &Path) -> Result<()> {
    let mut order = String::new();
    for test in built.tests.iter().filter(|test| test.runs_in_guest()) {
        place(&test.path, &root.join("tests").join(&test.name), root)?;
        order += &format!("{}\n", test.name);
    }
    for program in built.programs.iter().filter(|program| !program.ends_with("xtask")) {
        let name = program.file_name().context("a program without a name")?;
        place(program, &root.join("tests").join(name), root)?;
    }
    fs::write(root.join("tests/order"), order).context("write the order of the tests")
}

fn place(from: &Path, to: &Path, root: &Path) -> Result<()> {
    binaries::strip(from, to)?;
    libraries(from, root)
}

/// Copies the shared libraries that `program` loads to the same paths below `root`.
fn libraries(program: &Path, root: &Path) -> Result<()> {
    let listed = shell::output(Command::new("ldd").arg(program))?;
    for path in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(path.trim_start_matches('/'));
        if !target.exists() {
            copy(Path::new(path), &target)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// The modules named in `tests/vm/modules` after those that each depends on.
fn modules(workspace: &Workspace, root: &Path) -> Result<()> {
    let list = workspace.root().join("tests/vm/modules");
    let wanted = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let (mut order, mut seen) = (String::new(), BTreeSet::new());
    for name in wanted.lines() {
        add_module(workspace, root, name, &mut order, &mut seen)?;
    }
    fs::write(root.join("modules/order"), order).context("write the order of the modules")
}

fn add_module(
    workspace: &Workspace,
    root: &Path,
    name: &str,
    order: &mut String,
    seen: &mut BTreeSet<String>,
) -> Result<()> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let file = format!("{name}.ko");
    let found = find(&workspace.vm_kernel().join("lib/modules"), &file)
        .with_context(|| format!("no {file} in the guest's kernel package"))?;
    let content = fs::read(&found).with_context(|| format!("read {}", found.display()))?;
    for needed in depends(&content) {
        add_module(workspace, root, &needed, order, seen)?;
    }
    copy(&found, &root.join("modules").join(&file))?;
    *order += &format!("{file}\n");
    Ok(())
}

/// The `depends=a,b` entry of a module's `.modinfo` section.
fn depends(module: &[u8]) -> Vec<String> {
    let entry = module.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(entry.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn find(dir: &Path, file: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            if let Some(found) = find(&path, file) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|name| name == file) {
            return Some(path);
        }
    }
    None
}

/// `cpio` in the format that the kernel unpacks.
fn archive(workspace: &Workspace, root: &Path) -> Result<PathBuf> {
    let target = workspace.vm().join("initramfs.cpio");
    let script = "find . | \"$0\" cpio -o -H newc";
    let out = File::create(&target).with_context(|| format!("create {}", target.display()))?;
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(workspace.vm().join("busybox"))
        .current_dir(root)
        .stdout(out)
        .stderr(Stdio::null());
    let status = command.status().context("start sh")?;
    if !status.success() {
        bail!("writing {}: {status}", target.display());
    }
    Ok(target)
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
}
