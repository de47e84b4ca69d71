//! Compiles every test of the workspace once and says where the binaries are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::test::tier::Tier;
use crate::workspace::Workspace;

/// A compiled test binary.
#[derive(Clone, Debug)]
pub(crate) struct TestBinary {
    pub(crate) name: String,
    pub(crate) tier: Tier,
    pub(crate) path: PathBuf,
    /// Its package's directory: where cargo would run it.
    pub(crate) package_dir: PathBuf,
}

/// Everything that one compilation made.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) tests: Vec<TestBinary>,
    /// The workspace's programs: `enforcer` and the lab's helpers.
    pub(crate) programs: Vec<PathBuf>,
}

impl Built {
    pub(crate) fn program(&self, name: &str) -> Option<&Path> {
        self.programs
            .iter()
            .map(PathBuf::as_path)
            .find(|path| path.file_name().is_some_and(|file| file == name))
    }

    /// Forgets the tests whose name contains none of `parts`, unless there are none.
    pub(crate) fn keep_only(&mut self, parts: &[String]) {
        let wanted = |name: &str| parts.is_empty() || parts.iter().any(|part| name.contains(part));
        self.tests.retain(|test| wanted(&test.name));
    }

    /// Takes `path` in place of the program with the same name.
    pub(crate) fn replace_program(&mut self, path: PathBuf) {
        self.programs.retain(|known| known.file_name() != path.file_name());
        self.programs.push(path);
    }
}

/// One cargo call for the whole workspace, programs and tests together:
/// selecting packages or kinds one by one would change the features of shared
/// crates and compile them again.
pub(crate) fn build(workspace: &Workspace) -> Result<Built> {
    eprintln!("compiling the tests …");
    let mut command = shell::cargo();
    command.args([
        "build",
        "--lib",
        "--bins",
        "--tests",
        "--message-format=json-render-diagnostics",
    ]);
    command.current_dir(workspace.root()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let out = command.output().context("start cargo")?;
    if !out.status.success() {
        bail!("the tests do not compile");
    }
    let messages = String::from_utf8_lossy(&out.stdout);
    let mut built = Built::default();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        sort_in(&message, &mut built);
    }
    built.tests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(built)
}

fn sort_in(message: &Value, built: &mut Built) {
    let Some(path) = message["executable"].as_str().map(PathBuf::from) else { return };
    if message["profile"]["test"].as_bool() != Some(true) {
        built.programs.push(path);
        return;
    }
    let target = message["target"]["name"].as_str().unwrap_or_default();
    let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
    let package_dir = manifest.parent().unwrap_or(Path::new("/")).to_path_buf();
    let kind = message["target"]["kind"][0].as_str().unwrap_or_default();
    let integration = kind == "test";
    let tier = if integration { Tier::of_target(target) } else { Tier::Pure };
    built.tests.push(TestBinary { name: name(target, kind), tier, path, package_dir });
}

fn name(target: &str, kind: &str) -> String {
    if kind == "bin" { format!("{target} (bin)") } else { target.to_owned() }
}

/// The file of a test binary or program without debug information, for the
/// guest: it has little memory, and nobody debugs there.
pub(crate) fn strip(from: &Path, to: &Path) -> Result<()> {
    shell::run(Command::new("strip").arg("--strip-debug").arg("-o").arg(to).arg(from))
}
