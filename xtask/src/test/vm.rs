//! The bpf and lab tests on Debian's 6.1 kernel, the oldest that is supported.
//! QEMU emulates the processor (TCG), so that it works without `/dev/kvm`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::testing;
use crate::shell;
use crate::test::binaries::Built;
use crate::test::libtest::{self, Outcome};
use crate::test::{initramfs, within};
use crate::workspace::Workspace;

/// Longest time for everything in the guest.
const SECONDS: u32 = 1500;

/// Boots the guest, lets it run the tests, and reads its serial console.
pub(crate) fn run(workspace: &Workspace, built: &Built) -> Result<Outcome> {
    let kernel = testing::kernel_image(workspace).context("no kernel below target/vm/6.1")?;
    let initramfs = initramfs::make(workspace, built)?;
    let mut command = qemu(&kernel, &initramfs);
    let log = workspace.test_logs().join("vm.log");
    let finished = shell::run_watched("Debian 6.1 in a virtual machine", &mut command, &log)?;
    let outcome = read(&finished.lines);
    if !outcome.failed.is_empty() {
        eprintln!("{}", finished.lines.join("\n"));
    }
    Ok(outcome)
}

fn qemu(kernel: &Path, initramfs: &Path) -> Command {
    let mut command = within(SECONDS, Path::new("qemu-system-x86_64"));
    command.args([
        "-accel",
        "tcg,thread=multi",
        "-smp",
        "2",
        "-m",
        "3072",
        "-nographic",
        "-no-reboot",
        "-nic",
        "none",
    ]);
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
    // A panic ends the guest at once instead of hanging it.
    command.args(["-append", "console=ttyS0 quiet loglevel=0 panic=-1"]);
    command
}

/// Splits the console at the guest's marks and reads each binary's part.
fn read(console: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut part: Option<(String, Vec<String>)> = None;
    let mut done = false;
    for line in console {
        match line
            .split_once("@@")
            .map(|(before, mark)| (before, mark.split(' ').collect::<Vec<_>>()))
        {
            Some((_, mark)) if mark[0] == "BEGIN" => part = Some((mark[1..].join(" "), Vec::new())),
            Some((before, mark)) if mark[0] == "END" => {
                let (name, mut lines) = part.take().unwrap_or_default();
                lines.push(before.to_owned());
                outcome.add(libtest::read(&name, mark.last() == Some(&"0"), &lines));
            }
            Some((_, mark)) if mark[0] == "LOST" => {
                outcome.failed.push(format!("guest: {}", mark[1..].join(" ")))
            }
            Some((_, mark)) if mark[0] == "DONE" => done = true,
            _ => part.iter_mut().for_each(|(_, lines)| lines.push(line.clone())),
        }
    }
    if !done {
        let at =
            part.map_or_else(|| "before its tests".to_owned(), |(name, _)| format!("in {name}"));
        outcome.add(Outcome::failure(format!("the guest ended {at}")));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_binarys_result_is_read_from_the_console() {
        let console = "boot\n@@KERNEL 6.1\n@@BEGIN lab_a\ntest x ... ok\ntest result: ok. 1 passed; 0 failed\n@@END lab_a 0\n@@DONE";
        assert_eq!(read(&lines(console)), Outcome { passed: 1, ..Outcome::default() });
    }

    #[test]
    fn a_guest_that_dies_is_a_failure_that_says_where() {
        let console = "@@BEGIN lab_a\ntest x ... ok";
        assert_eq!(read(&lines(console)).failed, ["the guest ended in lab_a"]);
        assert_eq!(read(&[]).failed, ["the guest ended before its tests"]);
    }

    #[test]
    fn a_missing_module_is_a_failure() {
        assert_eq!(read(&lines("@@LOST module veth.ko\n@@DONE")).failed, ["guest: module veth.ko"]);
    }
}
