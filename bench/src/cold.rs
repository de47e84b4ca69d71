//! The packet program's own time while packets are sent, by the kernel's count
//! (`BPF_STATS_RUN_TIME`): for what a repeated packet cannot show, because the
//! second one finds everything in the cache.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use aya::programs::CgroupSkb;
use aya::sys::{Stats, enable_stats};
use enforcer_user::compile::Plan;

use crate::driver::Sender;
use crate::instance::Instance;
use crate::order::{Order, Traffic};
use crate::place::Place;
use crate::prefixes::Lengths;
use crate::programs::Loaded;
use crate::report::{Part, Row, Unit, Value};
use crate::wire::Wire;
use crate::world::OURS;

const ROUNDS: usize = 15;
const TURN: u64 = 10;

/// The kernel counts the time of every program until this is dropped.
#[derive(Debug)]
struct Counting(#[expect(dead_code, reason = "counting ends when it is closed")] OwnedFd);

/// A program's time and runs so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Runs {
    ns: u64,
    runs: u64,
}

// === impl Counting, Runs ===

impl Counting {
    fn start() -> Result<Self> {
        Ok(Self(enable_stats(Stats::RunTime).context("have the kernel count run times")?))
    }
}

impl Runs {
    fn of(program: &CgroupSkb) -> Result<Self> {
        let fd = program.fd()?.as_fd().as_raw_fd();
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
        Self::parse(&text).context("the kernel does not say how long programs run")
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok())
        };
        Some(Self { ns: number("run_time_ns:")?, runs: number("run_cnt:")? })
    }

    /// Nanoseconds of one run since `before`.
    fn each_since(self, before: Self) -> Result<f64> {
        let runs = self.runs - before.runs;
        if runs == 0 {
            bail!("the program did not run");
        }
        Ok((self.ns - before.ns) as f64 / runs as f64)
    }
}

/// A program on the way of a sender.
pub struct Watched<'a> {
    /// The program.
    pub program: &'a CgroupSkb,
    /// The sender.
    pub sender: &'a mut Sender,
}

impl Watched<'_> {
    fn each(&mut self, order: &Order) -> Result<f64> {
        let before = Runs::of(self.program)?;
        self.sender.send(order)?;
        Runs::of(self.program)?.each_since(before)
    }
}

/// Random allowed destinations with the packet program alone, over the empty
/// program on the same packets.
///
/// # Errors
/// Something cannot be made, or is refused.
pub fn measure(instance: Instance, plan: &Plan, size: u32, lengths: Lengths) -> Result<Vec<Row>> {
    instance.apply(plan)?;
    instance.bind()?;
    let (place, program) = instance.only_packets()?;
    let (empty_place, mut empty) = (Place::new()?, Loaded::empty()?);
    empty.attach(&empty_place)?;
    let (wire, empty_wire) = (Wire::new()?, Wire::new()?);
    let mut sender = Sender::at(&wire, &place)?;
    let mut empty_sender = Sender::at(&empty_wire, &empty_place)?;
    let mut ours = Watched { program: &program, sender: &mut sender };
    let mut empty = Watched { program: empty.program()?, sender: &mut empty_sender };
    let traffics = [Traffic::Random(size, lengths), Traffic::RandomV6(size, lengths)];
    let mut row = |traffic: Traffic| Row {
        part: Part::Cold,
        step: step(traffic.title(), lengths),
        subject: OURS.to_owned(),
        size: Some(size),
        unit: Unit::NsOverEmpty,
        value: Value::of_result(rounds(&mut ours, &mut empty, &Order { traffic, ms: TURN })),
    };
    Ok(traffics.map(&mut row).into())
}

/// The name of a row.
pub fn step(traffic: &str, lengths: Lengths) -> String {
    let lengths = if lengths == Lengths::Three { "3" } else { "25" };
    format!("{traffic}, {lengths} lengths")
}

/// What each round gives for one program, less what the other took right before
/// and right after.
///
/// # Errors
/// A sender or the kernel fails.
pub fn rounds(ours: &mut Watched<'_>, empty: &mut Watched<'_>, order: &Order) -> Result<Vec<f64>> {
    let _counting = Counting::start()?;
    // Sockets are made in a turn that does not count.
    ours.each(order)?;
    let mut before = empty.each(order)?;
    let mut series = Vec::new();
    for _ in 0..ROUNDS {
        let ns = ours.each(order)?;
        let after = empty.each(order)?;
        series.push(ns - (before + after) / 2.0);
        before = after;
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_times_are_read_from_what_the_kernel_shows() {
        let text = "pos:\t0\nprog_type:\t8\nrun_time_ns:\t1500\nrun_cnt:\t10\n";
        let runs = Runs::parse(text).expect("both are there");
        assert_eq!(runs, Runs { ns: 1500, runs: 10 });
        assert_eq!(runs.each_since(Runs { ns: 500, runs: 5 }).expect("it ran"), 200.0);
        assert!(runs.each_since(runs).is_err());
        assert_eq!(Runs::parse("prog_type:\t8\n"), None);
    }
}
