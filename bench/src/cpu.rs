//! The processor's time, and staying on one of them.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// What the calling thread has used, in nanoseconds: waiting is not part of it.
pub fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(0, |time| {
        time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs()
    })
}

/// The calling thread on one processor, until this is dropped.
#[derive(Debug)]
pub struct Pinned {
    before: CpuSet,
}

// === impl Pinned ===

impl Pinned {
    /// On the last processor that the thread may use: the first one serves most
    /// interrupts.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn to_last() -> Result<Self> {
        let thread = Pid::from_raw(0);
        let before = sched_getaffinity(thread).context("ask for this thread's processors")?;
        let usable = (0..CpuSet::count()).rev().find(|&cpu| before.is_set(cpu) == Ok(true));
        let mut one = CpuSet::new();
        one.set(usable.unwrap_or(0))?;
        sched_setaffinity(thread, &one).context("stay on one processor")?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _as_before = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}
