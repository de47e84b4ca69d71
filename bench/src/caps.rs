//! Whether a cap lets through what it says, and what TCP makes of one, beside `tc tbf`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::driver::Sender;
use crate::instance::Instance;
use crate::order::{Order, Sent, Traffic};
use crate::place::Place;
use crate::policies;
use crate::report::{Part, Row, Unit, Value};
use crate::wire::{DEVICE, Wire};
use crate::world::{OURS, TBF};

/// Packets a second.
pub const RATES: [u32; 4] = [100, 10_000, 100_000, 1_000_000];
/// Name of the rows of packets.
pub const PACKETS: &str = "UDP packets, passed / cap";
/// Name of the rows of bytes.
pub const GOODPUT: &str = "TCP goodput / cap";
/// Bytes a second, and the same for `tc`, which counts bits.
const BYTES: u32 = 50_000_000;
const BYTES_TC: &str = "400mbit";
const WINDOWS: usize = 3;
/// Milliseconds of a window. Few packets in it say little: the slowest gets longer ones.
const WINDOW: u64 = 700;
const LONG_WINDOW: u64 = 3_000;
/// Turns after which a burst has to be used up.
const TURNS: usize = 20;

/// Every row.
///
/// # Errors
/// Something cannot be made; what a contestant refuses is in the rows.
pub fn measure() -> Result<Vec<Row>> {
    let instance = Instance::start(policies::room(1, 0))?;
    let wire = Wire::new()?;
    instance.apply(&capped(&instance, "")?)?;
    instance.bind()?;
    let mut sender = Sender::at(&wire, instance.place())?;
    let mut rows = Vec::new();
    for rate in RATES {
        let burst = (rate / 10).max(1);
        let limits = format!("packets = {{ rate = \"{rate}/s\", burst = {burst} }}");
        instance.apply(&capped(&instance, &limits)?)?;
        rows.push(row(PACKETS, OURS, rate, packets(&mut sender, rate)));
    }
    instance.apply(&capped(&instance, &format!("bytes = {{ rate = \"{BYTES}B/s\" }}"))?)?;
    rows.push(row(GOODPUT, OURS, BYTES, goodput(&mut sender)));
    rows.push(row(GOODPUT, TBF, BYTES, of_tbf()));
    Ok(rows)
}

fn capped(instance: &Instance, limits: &str) -> Result<enforcer_user::compile::Plan> {
    policies::plan_with(instance.settings(), &format!("[limits]\n{limits}\n"))
}

/// A steady flood; counted from when the burst is used up.
fn packets(sender: &mut Sender, rate: u32) -> Result<Vec<f64>> {
    let order = |ms| Order { traffic: Traffic::Capped, ms };
    let used_up = (0..TURNS).any(|_| sender.send(&order(200)).is_ok_and(|sent| sent.failed > 0));
    if !used_up {
        bail!("this processor sends no more than {rate} packets a second");
    }
    let window = if rate < 1_000 { LONG_WINDOW } else { WINDOW };
    let passed = |sent: Sent| sent.each_second() / f64::from(rate);
    (0..WINDOWS).map(|_| sender.send(&order(window)).map(passed)).collect()
}

/// One connection, as fast as it goes; counted from when the burst is used up.
fn goodput(sender: &mut Sender) -> Result<Vec<f64>> {
    let order = |ms| Order { traffic: Traffic::Bulk, ms };
    sender.send(&order(1_000))?;
    let arrived = |sent: Sent| sent.each_second() / f64::from(BYTES);
    (0..WINDOWS).map(|_| sender.send(&order(WINDOW)).map(arrived)).collect()
}

/// The same behind a token bucket of the traffic control.
fn of_tbf() -> Result<Vec<f64>> {
    let (place, wire) = (Place::new()?, Wire::new()?);
    let mut sender = Sender::at(&wire, &place)?;
    let mut tc = Command::new("tc");
    let bucket = ["rate", BYTES_TC, "burst", "1mb", "latency", "50ms"];
    tc.args(["qdisc", "add", "dev", DEVICE, "root", "tbf"]).args(bucket);
    let output = wire.near.put(&mut tc).output().context("start tc")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    goodput(&mut sender)
}

fn row(step: &str, subject: &str, rate: u32, series: Result<Vec<f64>>) -> Row {
    Row {
        part: Part::Caps,
        step: step.to_owned(),
        subject: subject.to_owned(),
        size: Some(rate),
        unit: Unit::Ratio,
        value: Value::of_result(series),
    }
}
