//! What the product promises, and whether this run shows it.

use serde::{Deserialize, Serialize};

use crate::agents::AGENTS;
use crate::caps;
use crate::cold;
use crate::load;
use crate::order::Traffic;
use crate::prefixes::Lengths;
use crate::reaction;
use crate::report::{Part, Row, Value, size_in_words};
use crate::run::SIZES;
use crate::steps::{CAPPED_V4, CAPPED_V6, HOT_V4, HOT_V6};
use crate::world::{EMPTY, IPSET, NFT, NFT_BITMAPS, OURS, SYSTEMD};

/// One target, looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// What is promised.
    pub name: String,
    /// Which way the limit goes.
    pub limit: Limit,
    /// What came out.
    pub outcome: Outcome,
}

/// A limit; at the limit a target holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Not more.
    AtMost(f64),
    /// Not less.
    AtLeast(f64),
    /// In the name: it is more than a number.
    InWords,
}

/// Whether a target holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It does.
    Held(f64),
    /// It does not.
    Missed(f64),
    /// This run cannot say.
    Unmeasured(String),
}

/// What a target is about, or why it was not measured.
type Measured = Result<f64, String>;

/// Every target, in the order of the parts.
pub fn check(rows: &[Row]) -> Vec<Checked> {
    let rows = Rows(rows);
    [
        programs(rows),
        cold(rows),
        datagrams(rows),
        random(rows),
        others(rows),
        many(rows),
        loading(rows),
        capped(rows),
        reaction(rows),
        elsewhere(),
    ]
    .concat()
}

/// The rows, to be asked.
#[derive(Clone, Copy)]
struct Rows<'a>(&'a [Row]);

// === impl Rows ===

impl Rows<'_> {
    fn median(self, part: Part, step: &str, subject: &str, size: Option<u32>) -> Measured {
        let key = (part, step, subject, size);
        match self.0.iter().find(|row| row.key() == key).map(|row| &row.value) {
            Some(Value::Measured(summary)) => Ok(summary.median),
            Some(Value::Missing(why)) => Err(why.clone()),
            None => Err("not part of this run".to_owned()),
        }
    }

    fn live(self, traffic: Traffic, subject: &str, size: u32) -> Measured {
        self.median(Part::Live, traffic.title(), subject, Some(size))
    }

    /// Ours over the best of these that came up.
    fn over(self, part: Part, traffic: Traffic, rivals: &[&str], size: u32) -> Measured {
        let of = |subject| self.median(part, traffic.title(), subject, Some(size));
        let theirs: Vec<Measured> = rivals.iter().map(|rival| of(rival)).collect();
        let best = theirs.iter().flatten().copied().reduce(f64::max);
        match best {
            Some(best) => Ok(of(OURS)? / best),
            None => theirs.into_iter().next().unwrap_or(Err("no rival".to_owned())),
        }
    }
}

/// The worst of several; why not, if any is missing.
fn worst(measured: impl IntoIterator<Item = Measured>) -> Measured {
    measured.into_iter().try_fold(f64::MIN, |worst, one| Ok(worst.max(one?)))
}

fn at_most(name: impl Into<String>, limit: f64, measured: Measured) -> Checked {
    checked(name.into(), Limit::AtMost(limit), measured)
}

fn at_least(name: impl Into<String>, limit: f64, measured: Measured) -> Checked {
    checked(name.into(), Limit::AtLeast(limit), measured)
}

fn checked(name: String, limit: Limit, measured: Measured) -> Checked {
    let outcome = match (measured, limit) {
        (Err(why), _) => Outcome::Unmeasured(why),
        (Ok(value), Limit::AtMost(most)) if value <= most => Outcome::Held(value),
        (Ok(value), Limit::AtLeast(least)) if value >= least => Outcome::Held(value),
        (Ok(value), _) => Outcome::Missed(value),
    };
    Checked { name, limit, outcome }
}

fn programs(rows: Rows<'_>) -> Vec<Checked> {
    let hot = |size| {
        let steps = [HOT_V4, HOT_V6, CAPPED_V4, CAPPED_V6];
        let of = |step| rows.median(Part::Program, step, OURS, Some(size));
        let name = format!(
            "hot packet, worst of both families with and without caps, {} prefixes: ns over empty",
            size_in_words(size)
        );
        at_most(name, 10.0, worst(steps.map(of)))
    };
    SIZES.map(hot).into()
}

fn cold(rows: Rows<'_>) -> Vec<Checked> {
    let looked_up = |(size, limit): (u32, f64)| {
        let of = |traffic: Traffic| {
            let step = cold::step(traffic.title(), Lengths::TwentyFive);
            rows.median(Part::Cold, &step, OURS, Some(size))
        };
        let lengths = Lengths::TwentyFive;
        let both = [of(Traffic::Random(size, lengths)), of(Traffic::RandomV6(size, lengths))];
        let name = format!(
            "cold look-up, worst of both families, 25 lengths, {} prefixes: ns over empty",
            size_in_words(size)
        );
        at_most(name, limit, worst(both))
    };
    let turns = rows.median(Part::Cold, Traffic::Turns(AGENTS).title(), OURS, Some(AGENTS));
    let mut all: Vec<Checked> = [(100_000, 100.0), (1_000_000, 300.0)].map(looked_up).into();
    all.push(at_most("10,000 agents in random order: ns over empty", 120.0, turns));
    all
}

fn datagrams(rows: Rows<'_>) -> Vec<Checked> {
    let mut all = Vec::new();
    for size in SIZES {
        let words = size_in_words(size);
        let over_empty = rows.live(Traffic::Connected, &format!("{OURS} / {EMPTY}"), size);
        all.push(at_least(format!("UDP, ours / empty, {words} prefixes"), 0.97, over_empty));
        let over_none = rows.live(Traffic::Connected, OURS, size);
        all.push(at_least(format!("UDP, ours / no firewall, {words} prefixes"), 0.92, over_none));
    }
    let nft: (&str, &[&str]) = ("nftables (the faster set)", &[NFT, NFT_BITMAPS]);
    let ipset: (&str, &[&str]) = ("ipset + hashlimit", &[IPSET]);
    let systemd: (&str, &[&str]) = (SYSTEMD, &[SYSTEMD]);
    let limits = [
        (nft, 10, 1.2),
        (nft, 100_000, 1.5),
        (ipset, 10, 1.2),
        (ipset, 100_000, 1.2),
        (systemd, 10, 1.04),
        (systemd, 100_000, 1.14),
    ];
    all.extend(limits.map(|((rival, kinds), size, limit)| {
        let name = format!("UDP, ours / {rival}, {} prefixes", size_in_words(size));
        at_least(name, limit, rows.over(Part::Live, Traffic::Connected, kinds, size))
    }));
    all
}

fn random(rows: Rows<'_>) -> Vec<Checked> {
    let mut all = Vec::new();
    for (size, limit) in [(100_000, 0.78), (1_000_000, 0.72)] {
        let (traffic, words) = (Traffic::Random(size, Lengths::Three), size_in_words(size));
        let name = format!("UDP to random destinations, ours / no firewall, {words} prefixes");
        all.push(at_least(name, limit, rows.live(traffic, OURS, size)));
        let rivals = [SYSTEMD, IPSET, NFT, NFT_BITMAPS];
        let name = format!("UDP to random destinations, ours / best rival, {words} prefixes");
        all.push(at_least(name, 1.3, rows.over(Part::Live, traffic, &rivals, size)));
    }
    all
}

fn others(rows: Rows<'_>) -> Vec<Checked> {
    let of = |traffic| rows.live(traffic, OURS, crate::live::TYPICAL);
    vec![
        at_least("TCP connects, every hook on, ours / no firewall", 0.95, of(Traffic::Connects)),
        at_least("TCP bulk, ours / no firewall", 0.965, of(Traffic::Bulk)),
        at_least("denied datagrams, ours / no firewall", 3.0, of(Traffic::Denied)),
    ]
}

fn many(rows: Rows<'_>) -> Vec<Checked> {
    let traffic = Traffic::Turns(AGENTS);
    vec![
        at_least(
            "10,000 agents, ours / empty",
            0.94,
            rows.over(Part::Agents, traffic, &[EMPTY], AGENTS),
        ),
        at_least(
            "10,000 agents, ours / nftables",
            2.0,
            rows.over(Part::Agents, traffic, &[NFT], AGENTS),
        ),
    ]
}

fn loading(rows: Rows<'_>) -> Vec<Checked> {
    let of = |step| rows.median(Part::Load, step, OURS, Some(1_000_000));
    vec![
        at_most("1 M prefixes put in force: s", 0.2, of(load::TIME)),
        at_most("1 M prefixes in the kernel: MiB", 24.0, of(load::MEMORY)),
    ]
}

fn capped(rows: Rows<'_>) -> Vec<Checked> {
    let of = |rate| rows.median(Part::Caps, caps::PACKETS, OURS, Some(rate));
    let most = worst(caps::RATES.map(of));
    let least = worst(caps::RATES.map(|rate| Ok(-of(rate)?))).map(|least| -least);
    let goodput = rows.0.iter().find(|row| row.step == caps::GOODPUT && row.subject == OURS);
    let goodput = goodput.map_or(Err("not part of this run".to_owned()), |row| {
        rows.median(Part::Caps, caps::GOODPUT, OURS, row.size)
    });
    vec![
        at_most("packets passed / cap, the most of 100 to 1 M a second", 1.005, most),
        at_least("packets passed / cap, the least of 100 to 1 M a second", 0.99, least),
        at_least("TCP goodput / cap", 0.95, goodput),
    ]
}

fn reaction(rows: Rows<'_>) -> Vec<Checked> {
    let longest = rows.median(Part::Reaction, reaction::LONGEST, OURS, None);
    vec![at_most("a denied call to the quarantine, 99th percentile: ns", 5_000.0, longest)]
}

/// What no quotient of rates can show.
fn elsewhere() -> Vec<Checked> {
    let other = |name: &str| {
        checked(name.to_owned(), Limit::InWords, Err("not measured by this bench".to_owned()))
    };
    vec![other("no false deny or allow in 10^7 random look-ups, also mid-swap")]
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
