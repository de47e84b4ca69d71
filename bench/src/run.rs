//! A whole run: one number of prefixes after the other, then many agents.

use std::time::Instant;

use anyhow::Result;
use enforcer_user::compile::Plan;
use ipnet::IpNet;

use crate::machine::Machine;
use crate::prefixes::{Lengths, prefixes};
use crate::report::{Part, Report, Row, Unit, VERSION, Value, size_in_words};
use crate::world::{Contestant, OURS, Ours};
use crate::{agents, caps, cold, live, load, policies, reaction, steps, targets};

/// How many prefixes the policies have.
pub const SIZES: [u32; 4] = [10, 1_000, 100_000, 1_000_000];
/// At these a look-up is cold.
const COLD: [u32; 2] = [100_000, 1_000_000];
/// Instances of what is compared most closely: one's luck with memory is not its cost.
const TWINS: usize = 2;

/// What to run.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Numbers of prefixes, of [`SIZES`].
    pub sizes: Vec<u32>,
    /// Whether live traffic and the other firewalls are part of it.
    pub live: bool,
    /// Whether many agents are part of it.
    pub agents: bool,
}

/// Runs it; `say` hears what is being done.
///
/// # Errors
/// The bench itself does not work here; what a firewall refuses is in the report.
pub fn run(scope: &Scope, command: &str, say: &dyn Fn(&str)) -> Result<Report> {
    let start = Instant::now();
    let mut rows = vec![steps::control()?];
    for &size in &scope.sizes {
        rows.extend(one_size(size, scope.live, say)?);
    }
    if scope.agents {
        say("many agents");
        // What was measured before is worth keeping.
        rows.extend(agents::measure().unwrap_or_else(|error| vec![agents::missing(OURS, &error)]));
    }
    if scope.live {
        say("caps");
        rows.extend(caps::measure()?);
        say("from a violation to the quarantine");
        rows.extend(reaction::measure()?);
    }
    rows.sort_by_key(|row| row.part);
    Ok(Report {
        version: VERSION,
        machine: Machine::here()?,
        command: command.to_owned(),
        seconds: start.elapsed().as_secs_f64(),
        targets: targets::check(&rows),
        rows,
    })
}

fn one_size(size: u32, live: bool, say: &dyn Fn(&str)) -> Result<Vec<Row>> {
    let words = size_in_words(size);
    say(&format!("{words} prefixes: loading"));
    let nets = prefixes(size, Lengths::Three);
    let mut rows = Vec::new();
    let ours: Result<Vec<Ours>> = (0..TWINS).map(|_| Ours::start(&nets)).collect();
    match ours {
        Ok(ours) => {
            rows.extend(load::rows(&ours, size));
            say(&format!("{words} prefixes: the packet program alone"));
            rows.extend(steps::measure(&ours, size)?);
            if live {
                rows.extend(side_by_side(&ours, None, &nets, size, say)?);
            }
            if COLD.contains(&size) {
                say(&format!("{words} prefixes: cold look-ups"));
                rows.extend(look_ups(ours, size)?);
            }
        }
        Err(error) => {
            let why = format!("{error:#}");
            rows.extend(refused(size, &why));
            if live {
                rows.extend(side_by_side(&[], Some(why), &nets, size, say)?);
            }
        }
    }
    Ok(rows)
}

/// The live part, with everybody who came up.
fn side_by_side(
    ours: &[Ours],
    refused: Option<String>,
    nets: &[IpNet],
    size: u32,
    say: &dyn Fn(&str),
) -> Result<Vec<Row>> {
    let mut contestants = vec![Contestant::none()?];
    for _ in 0..TWINS {
        contestants.push(Contestant::empty()?);
    }
    for one in ours {
        contestants.push(Contestant::ours(one)?);
    }
    let mut absent: Vec<_> = refused.map(|why| (OURS, why)).into_iter().collect();
    let mut rows = Vec::new();
    for (subject, rival) in Contestant::rivals(nets) {
        match rival {
            Ok(rival) => {
                let seconds = rival.took.map_or(0.0, |took| took.as_secs_f64());
                rows.push(load::rival(subject, size, seconds));
                contestants.push(rival);
            }
            Err(error) => absent.push((subject, format!("{error:#}"))),
        }
    }
    say(&format!("{} prefixes: live traffic", size_in_words(size)));
    let mut reference = Contestant::none()?;
    rows.extend(live::measure(&mut reference, &mut contestants, &absent, size)?);
    Ok(rows)
}

/// One instance looks up among prefixes of few lengths, the other of many.
fn look_ups(ours: Vec<Ours>, size: u32) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (lengths, one) in [Lengths::Three, Lengths::TwentyFive].into_iter().zip(ours) {
        let plan: Plan = match lengths {
            Lengths::Three => one.capped().clone(),
            Lengths::TwentyFive => {
                policies::plan(one.instance.settings(), &prefixes(size, lengths), true)?
            }
        };
        rows.extend(cold::measure(one.instance, &plan, size, lengths)?);
    }
    Ok(rows)
}

/// The rows that a refused policy leaves empty.
fn refused(size: u32, why: &str) -> Vec<Row> {
    let row = |part, step: &str, unit| Row {
        part,
        step: step.to_owned(),
        subject: OURS.to_owned(),
        size: Some(size),
        unit,
        value: Value::Missing(why.to_owned()),
    };
    let mut rows: Vec<Row> =
        steps::NAMES.iter().map(|step| row(Part::Program, step, Unit::NsOverEmpty)).collect();
    rows.push(row(Part::Load, load::TIME, Unit::Seconds));
    rows
}
