//! Running other programs: what they print is kept, and shown when they fail.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// How much of a failed command's output is shown.
const TAIL_LINES: usize = 25;

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The program's path, if `PATH` has it.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps administrators' programs out of a plain user's PATH.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Where a file system of this type is mounted, the first place if there are several.
pub(crate) fn mount_point(kind: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.find(|fields| fields.get(2) == Some(&kind)).map(|fields| PathBuf::from(fields[1]))
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    fresh(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// Without what cargo tells a program about its own package: build scripts
/// (ring's is one) watch those variables and would run again each time a build
/// by hand follows one by xtask.
pub(crate) fn fresh(mut command: Command) -> Command {
    let told = std::env::vars_os().map(|(name, _)| name);
    let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    for name in
        told.filter(|name| ours.iter().any(|start| name.to_string_lossy().starts_with(start)))
    {
        command.env_remove(name);
    }
    command
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("start {shown}"))?;
    if !out.status.success() {
        bail!("{shown}: {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a command on this terminal; its failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// How a long command ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Standard output and standard error as they came, line by line.
    pub(crate) lines: Vec<String>,
}

/// Runs a long command: the last line it printed beside a spinner, all of it in
/// `log`. Its failure is an error.
pub(crate) fn run_logged(title: &str, command: &mut Command, log: &Path) -> Result<()> {
    let finished = run_watched(title, command, log)?;
    if finished.status.success() {
        return Ok(());
    }
    let tail = finished.lines.len().saturating_sub(TAIL_LINES);
    let shown = finished.lines[tail..].join("\n");
    bail!(
        "{command:?}: {}; its last lines, all of them in {}:\n{shown}",
        finished.status,
        log.display()
    )
}

/// As [`run_logged`], but how it ended is the caller's to judge.
pub(crate) fn run_watched(title: &str, command: &mut Command, log: &Path) -> Result<Finished> {
    let progress = Progress::start(title);
    let (reader, writer) = io::pipe().context("make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
    // The command holds the pipe's writing end; the reader ends only when every copy is closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let lines = copy_lines(reader, log, &progress)?;
    let status = child.wait().with_context(|| format!("wait for {command:?}"))?;
    progress.finish(status.success());
    Ok(Finished { status, lines })
}

fn copy_lines(reader: io::PipeReader, log: &Path, progress: &Progress) -> Result<Vec<String>> {
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    let mut file = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let mut lines = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        writeln!(file, "{line}")?;
        progress.line(line.trim());
        lines.push(line);
    }
    Ok(lines)
}
