//! The bpf and lab tests on Debian's kernels, the oldest that is supported first.
//! QEMU emulates the processor (TCG), so that it works without `/dev/kvm`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::kernels::{self, Kernel, Version};
use crate::shell;
use crate::test::binaries::Built;
use crate::test::guest::Share;
use crate::test::libtest::{self, Outcome};
use crate::test::place::Place;
use crate::test::tier::Tier;
use crate::test::{Options, initramfs, within};
use crate::workspace::Workspace;

/// Longest time for everything in the guest, of what is usual and of all there is.
const SECONDS: u32 = 2400;
const SECONDS_FOR_ALL: u32 = 5400;

/// With a timer that goes on in sleep, so that an idle processor need not poll
/// and take the host's from the busy one; and with random numbers, so that nothing waits
/// for them.
const PROCESSOR: &str = "qemu64,+arat,+rdrand";
/// QEMU 7.2 leaves wrong flags behind `cmpxchg16b`, and the allocator of Linux 6.12
/// dies of it. From Linux 7.0 on it has another, and socket and task storage come
/// from `kmalloc_nolock`, which gives nothing without that instruction.
const WITH_CX16: Version = Version::new(7, 0);

/// A kernel, how it is started, and how much it runs.
pub(crate) struct Guest {
    kernel: Kernel,
    /// Without BPF among its security modules: the programs at the security
    /// hooks are called by other means.
    without_lsm: bool,
    /// The names of its tests.
    order: String,
    /// Longest time for all of them.
    seconds: u32,
}

/// The guests to run the tests in. Their root file system is ready for them.
pub(crate) fn guests(
    workspace: &Workspace,
    built: &Built,
    options: &Options,
) -> Result<Vec<Guest>> {
    let kernels = kernels(workspace, &options.kernels)?;
    let both = options.only.is_empty() && (options.long || !options.kernels.is_empty());
    let ways: &[bool] = match (options.without_lsm, both) {
        (true, _) => &[true],
        (false, true) => &[false, true],
        (false, false) => &[false],
    };
    let each = kernels.iter().enumerate();
    let planned = each.flat_map(|(at, kernel)| {
        ways.iter().map(move |way| (kernel, *way, share(options, at > 0, *way)))
    });
    let most = planned.clone().map(|(_, _, share)| share).max().unwrap_or(Share::Usual);
    initramfs::prepare(workspace, built, most)?;
    let guest = |(kernel, without_lsm, share): (&Kernel, bool, Share)| Guest {
        kernel: kernel.clone(),
        without_lsm,
        order: share.order(&built.tests),
        seconds: if share == Share::All { SECONDS_FOR_ALL } else { SECONDS },
    };
    Ok(planned.map(guest).collect())
}

/// Only the hooks are another without LSM; what rests on them is run there when
/// there is time. A `newer` kernel than the oldest that nobody names is asked
/// whether it takes the programs.
fn share(options: &Options, newer: bool, without_lsm: bool) -> Share {
    let asked = !options.kernels.is_empty() || !options.only.is_empty() || options.long;
    if newer && !asked {
        return Share::Loading;
    }
    match (without_lsm, options.only.is_empty(), options.long) {
        (_, false, _) | (false, _, true) => Share::All,
        (false, true, false) | (true, true, true) => Share::Usual,
        (true, true, false) => Share::Hooks,
    }
}

/// Those `asked` for, or all of them, the oldest first.
fn kernels(workspace: &Workspace, asked: &[Version]) -> Result<Vec<Kernel>> {
    let found = kernels::found(workspace);
    let known: Vec<String> = found.iter().map(|kernel| kernel.version.to_string()).collect();
    for version in asked {
        if !found.iter().any(|kernel| kernel.version == *version) {
            bail!("no kernel {version} below target/vm\nhint: there are {}", known.join(", "));
        }
    }
    let mut chosen = found;
    chosen.retain(|kernel| asked.is_empty() || asked.contains(&kernel.version));
    Ok(chosen)
}

// === impl Guest ===

impl Guest {
    /// The guest's row in the summary.
    pub(crate) fn place(&self) -> Place {
        let kernel = Some(self.kernel.version);
        Place { tier: Tier::Vm, kernel, without_lsm: self.without_lsm }
    }

    /// Boots the guest, lets it run the tests, and reads its serial console.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<Outcome> {
        let initramfs = initramfs::make(workspace, self.place(), &self.kernel, &self.order)?;
        let mut command = self.qemu(&initramfs)?;
        let log = workspace.test_logs().join(format!("{}.log", self.place()).replace(' ', "-"));
        let how = if self.without_lsm { ", without BPF LSM" } else { "" };
        let title = format!("Debian's Linux {} in a virtual machine{how}", self.kernel.version);
        let finished = shell::run_watched(&title, &mut command, &log)?;
        let outcome = read(&finished.lines);
        if !outcome.failed.is_empty() {
            eprintln!("{}", finished.lines.join("\n"));
        }
        Ok(outcome)
    }

    fn qemu(&self, initramfs: &Path) -> Result<Command> {
        let image = self.kernel.image().context("the kernel has no image")?;
        let mut command = within(self.seconds, Path::new("qemu-system-x86_64"));
        // Its two processors take turns: side by side one of them can still meet the
        // breakpoint of a kernel text that the other has finished patching, and dies.
        command.args(["-accel", "tcg,thread=single,tb-size=512", "-smp", "2", "-m", "3072"]);
        let sign = if self.kernel.version < WITH_CX16 { '-' } else { '+' };
        command.arg("-cpu").arg(format!("{PROCESSOR},{sign}cx16"));
        command.args(["-nographic", "-no-reboot", "-nic", "none"]);
        command.arg("-kernel").arg(image).arg("-initrd").arg(initramfs);
        // A panic ends the guest at once instead of hanging it. Nothing leaks through
        // an emulated processor, and what is done against it there takes a quarter
        // of the time.
        let lsm = self.kernel.security_modules(!self.without_lsm)?;
        let words = format!(
            "console=ttyS0 quiet loglevel=0 panic=-1 mitigations=off tsc=reliable rcupdate.rcu_expedited=1 lsm={lsm}"
        );
        command.args(["-append", &words]);
        Ok(command)
    }
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
    fn a_newer_kernel_that_nobody_named_is_asked_whether_it_takes_the_programs() {
        let usual = Options::for_ci();
        assert_eq!(share(&usual, false, false), Share::Usual);
        assert_eq!(share(&usual, true, false), Share::Loading);
        let named = Options { kernels: vec![WITH_CX16], ..usual.clone() };
        assert_eq!(share(&named, true, false), Share::Usual);
        for all in [
            Options { long: true, ..usual.clone() },
            Options { only: vec!["lab_".into()], ..usual },
        ] {
            assert_eq!(share(&all, true, false), Share::All);
        }
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
