//! How long it takes from a violation until its agent is quarantined, in the kernel.

use std::net::UdpSocket;

use anyhow::{Context, Result, bail};
use enforcer_user::kernel::monotonic_ns;

use crate::instance::Instance;
use crate::policies::{self, PORT};
use crate::report::{Part, Row, Unit, Value};
use crate::stats::Summary;
use crate::wire::Wire;
use crate::world::OURS;

/// Name of the row of the usual time.
pub const USUAL: &str = "a denied call to the quarantine";
/// Name of the row of the longest in a hundred.
pub const LONGEST: &str = "the same, 99th percentile";
const TIMES: usize = 2_000;
/// Nobody may send here (TEST-NET-2, RFC 5737).
const NOBODY: &str = "198.51.100.1";
const TRIPWIRE: &str = "[[respond]]\nwhen = { event = \"denied\", count = 1, within = \"1s\" }\n\
                        do = [\"quarantine\"]\n";

/// Its rows: from right before the call that trips the wire until the kernel's own note
/// of when it did.
///
/// # Errors
/// Something cannot be made.
pub fn measure() -> Result<Vec<Row>> {
    let instance = Instance::start(policies::room(1, 0))?;
    instance.apply(&policies::plan_with(instance.settings(), TRIPWIRE)?)?;
    instance.bind()?;
    let wire = Wire::new()?;
    let series = instance.as_agent(|| {
        let socket = wire.near.run(|| UdpSocket::bind("0.0.0.0:0")).context("make a socket")?;
        (0..TIMES).map(|_| once(&instance, &socket)).collect::<Result<Vec<f64>>>()
    })?;
    let mut sorted = series.clone();
    sorted.sort_by(f64::total_cmp);
    let longest = sorted.get(TIMES * 99 / 100).copied().unwrap_or(f64::NAN);
    Ok(vec![row(USUAL, Value::of(&series)), row(LONGEST, Value::Measured(Summary::once(longest)))])
}

fn once(instance: &Instance, socket: &UdpSocket) -> Result<f64> {
    let before = monotonic_ns();
    let sent = socket.send_to(b"x", (NOBODY, PORT));
    if sent.is_ok() {
        bail!("a datagram to nobody was sent");
    }
    let since = instance.release().context("the agent was not quarantined")?;
    Ok(since.saturating_sub(before) as f64)
}

fn row(step: &str, value: Value) -> Row {
    Row {
        part: Part::Reaction,
        step: step.to_owned(),
        subject: OURS.to_owned(),
        size: None,
        unit: Unit::Ns,
        value,
    }
}
