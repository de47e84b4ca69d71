//! The guest's root file system: init, busybox, `ip`, kernel modules, the
//! programs under test and the libraries that they load.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::setup::kernels::Kernel;
use crate::shell;
use crate::test::binaries::{self, Built};
use crate::test::guest::Share;
use crate::test::modules;
use crate::test::place::Place;
use crate::workspace::Workspace;

/// Puts together what is the same for every kernel, with this share of the tests.
pub(crate) fn prepare(workspace: &Workspace, built: &Built, share: Share) -> Result<()> {
    let root = root(workspace);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
    }
    for dir in ["bin", "sbin", "tests"] {
        fs::create_dir_all(root.join(dir))
            .with_context(|| format!("create {dir} in {}", root.display()))?;
    }
    copy(&workspace.root().join("tests/vm/init"), &root.join("init"))?;
    copy(&workspace.vm().join("busybox"), &root.join("bin/busybox"))?;
    let ip = shell::which("ip").context("no `ip` on this host")?;
    copy(&ip.canonicalize()?, &root.join("sbin/ip"))?;
    libraries(&ip, &root)?;
    programs(built, &root, share)
}

/// One archive is made at a time: all are made of the same folder.
static FOLDER: Mutex<()> = Mutex::new(());

/// Adds the kernel's modules and the `order` of the tests, and returns the
/// archive that QEMU loads for the guest at `place`.
pub(crate) fn make(
    workspace: &Workspace,
    place: Place,
    kernel: &Kernel,
    order: &str,
) -> Result<PathBuf> {
    let _alone = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let root = root(workspace);
    fs::write(root.join("tests/order"), order).context("write the order of the tests")?;
    modules::place(workspace, kernel, &root.join("modules"))?;
    archive(workspace, place, &root)
}

fn root(workspace: &Workspace) -> PathBuf {
    workspace.vm().join("root")
}

/// The tests of the tiers that need a kernel, and what they start.
fn programs(built: &Built, root: &Path, share: Share) -> Result<()> {
    for test in built.tests.iter().filter(|test| share.has(test)) {
        place(&test.path, &root.join("tests").join(&test.name), root)?;
    }
    for program in built.programs.iter().filter(|program| !program.ends_with("xtask")) {
        let name = program.file_name().context("a program without a name")?;
        place(program, &root.join("tests").join(name), root)?;
    }
    Ok(())
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

/// `cpio` in the format that the kernel unpacks.
fn archive(workspace: &Workspace, place: Place, root: &Path) -> Result<PathBuf> {
    let target = workspace.vm().join(format!("{place}.cpio").replace(' ', "-"));
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
