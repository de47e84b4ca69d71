//! What a run says: rows that tables, charts, targets and comparisons read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::stats::Summary;
use crate::targets::Checked;

/// Moves when a reader of older files would misunderstand.
pub const VERSION: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// Where it ran.
    pub machine: Machine,
    /// What started it.
    pub command: String,
    /// How long it took, without building.
    pub seconds: f64,
    /// What was measured, in the order of the tables.
    pub rows: Vec<Row>,
    /// Each target, and whether it holds.
    pub targets: Vec<Checked>,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which table it stands in.
    pub part: Part,
    /// What was done.
    pub step: String,
    /// Who did it, or whose quotient it is.
    pub subject: String,
    /// Prefixes in force (agents, in the part of many agents); `None` where
    /// their number means nothing.
    pub size: Option<u32>,
    /// What the numbers are.
    pub unit: Unit,
    /// What came out.
    pub value: Value,
}

/// The parts of the bench, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// One program, judged packets that were never sent.
    Program,
    /// One program's own time while packets are sent.
    Cold,
    /// Real packets between two namespaces.
    Live,
    /// Many agents taking turns.
    Agents,
    /// Putting policies in force.
    Load,
    /// Caps that are reached.
    Caps,
    /// From a violation to its consequence.
    Reaction,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds more than an empty program.
    NsOverEmpty,
    /// Nanoseconds.
    Ns,
    /// A quotient of rates; more is better.
    Ratio,
    /// Seconds.
    Seconds,
    /// 2^20 bytes.
    Mebibytes,
}

/// A result, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// It was measured.
    Measured(Summary),
    /// It was not: refused, not installed.
    Missing(String),
}

// === impl Report, Row ===

impl Report {
    /// The row that says this, whatever came out.
    pub fn row(&self, part: Part, step: &str, subject: &str, size: Option<u32>) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.part == part && row.step == step && row.subject == subject && row.size == size
        })
    }

    /// The spread of medians of things that are the same (none against none,
    /// one instance against another), relative: what a ratio's error bar is.
    pub fn control(&self, part: Part) -> f64 {
        let same = self.rows.iter().filter(|row| row.part == part && is_control(&row.subject));
        let off = same.filter_map(|row| Some((row.median()? - 1.0).abs()));
        off.fold(0.0, f64::max)
    }
}

/// `a / a`: both sides are the same.
fn is_control(subject: &str) -> bool {
    subject.split_once(" / ").is_some_and(|(over, under)| over == under)
}

impl Row {
    /// What tells it from every other row of a run.
    pub fn key(&self) -> (Part, &str, &str, Option<u32>) {
        (self.part, &self.step, &self.subject, self.size)
    }

    /// The median, where there is one.
    pub fn median(&self) -> Option<f64> {
        self.summary().map(|summary| summary.median)
    }

    /// The summary, where there is one.
    pub fn summary(&self) -> Option<&Summary> {
        match &self.value {
            Value::Measured(summary) => Some(summary),
            Value::Missing(_) => None,
        }
    }
}

// === impl Value ===

impl Value {
    /// What a series says.
    pub fn of(series: &[f64]) -> Self {
        let none = || Self::Missing("nothing was measured".to_owned());
        Summary::of(series).map_or_else(none, Self::Measured)
    }

    /// The same, or why there is no series.
    pub fn of_result(series: anyhow::Result<Vec<f64>>) -> Self {
        match series {
            Ok(series) => Self::of(&series),
            Err(error) => Self::Missing(format!("{error:#}")),
        }
    }
}

// === impl Part, Unit ===

impl Part {
    /// Every part, in order.
    pub const ALL: [Self; 7] = [
        Self::Program,
        Self::Cold,
        Self::Live,
        Self::Agents,
        Self::Load,
        Self::Caps,
        Self::Reaction,
    ];

    /// A heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Program => "The packet program alone (BPF_PROG_TEST_RUN)",
            Self::Cold => "The packet program's own time on live packets (BPF statistics)",
            Self::Live => "Live traffic, per CPU second of the sender",
            Self::Agents => "Many agents in turn, per CPU second of the sender",
            Self::Load => "Putting policies in force",
            Self::Caps => "Caps that are reached, by what is set",
            Self::Reaction => "From a violation to the quarantine",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NsOverEmpty => "ns over empty",
            Self::Ns => "ns",
            Self::Ratio => "ratio",
            Self::Seconds => "s",
            Self::Mebibytes => "MiB",
        })
    }
}

/// `10`, `1 k`, `100 k`, `1 M`.
pub fn size_in_words(size: u32) -> String {
    match size {
        0..1_000 => size.to_string(),
        1_000..1_000_000 => format!("{} k", size / 1_000),
        _ => format!("{} M", size / 1_000_000),
    }
}
