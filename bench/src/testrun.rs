//! `BPF_PROG_TEST_RUN`: a program judges a packet again and again, and what that
//! takes beside an empty program. The packet is never sent.

use anyhow::{Context, Result, bail};
use aya::programs::{CgroupSkb, TestRun, TestRunOptions};
use enforcer_tests::forge::framed;

use crate::cpu;

/// How long one run is to take, in nanoseconds: long beside the system call,
/// short beside whatever else disturbs the processor.
const RUN_NS: u64 = 4_000_000;
const TRIAL: u32 = 20_000;

/// A program and the packet that it judges.
pub struct Step<'a> {
    program: &'a CgroupSkb,
    frame: Vec<u8>,
    times: u32,
}

// === impl Step ===

impl<'a> Step<'a> {
    /// Tries the program once, and finds out how often one run is to repeat it.
    ///
    /// # Errors
    /// The kernel does not run it, or it does not answer `permits`: what is
    /// measured would not be what it says.
    pub fn new(program: &'a CgroupSkb, packet: &[u8], permits: bool) -> Result<Self> {
        let mut step = Self { program, frame: framed(packet), times: TRIAL };
        let (answer, ns) = step.run()?;
        if answer != u32::from(permits) {
            bail!("the program answered {answer}");
        }
        let times = RUN_NS * u64::from(TRIAL) / ns.max(1);
        step.times = u32::try_from(times).unwrap_or(u32::MAX).max(TRIAL);
        Ok(step)
    }

    /// The answer, and what all the packets took, in nanoseconds of this processor.
    fn run(&self) -> Result<(u32, u64)> {
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: self.times,
            ..TestRunOptions::new()
        };
        let before = cpu::thread_ns();
        let result = self.program.test_run(options).context("run the program")?;
        Ok((result.return_value, cpu::thread_ns() - before))
    }

    /// What one packet took.
    fn each(&self) -> Result<f64> {
        Ok(self.run()?.1 as f64 / f64::from(self.times))
    }
}

/// What each of `rounds` gives for `step`, less what `empty` took right before
/// and right after.
///
/// # Errors
/// The kernel does not run one of them.
pub fn over_empty(empty: &Step<'_>, step: &Step<'_>, rounds: u32) -> Result<Vec<f64>> {
    let mut before = empty.each()?;
    let mut series = Vec::new();
    for _ in 0..rounds {
        let ns = step.each()?;
        let after = empty.each()?;
        series.push(ns - (before + after) / 2.0);
        before = after;
    }
    Ok(series)
}
