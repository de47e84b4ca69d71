//! Many agents taking turns: what is kept for each is never in the cache.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use aya::programs::CgroupSkb;
use ipnet::IpNet;

use crate::cold::{self, Watched};
use crate::driver::Sender;
use crate::instance::Instance;
use crate::live::rows_of;
use crate::order::{Home, Order, Traffic};
use crate::place::Place;
use crate::policies;
use crate::prefixes::{Lengths, prefixes};
use crate::programs::Loaded;
use crate::report::{Part, Row, Unit, Value};
use crate::rivals;
use crate::rounds::{self, Sends};
use crate::wire::Wire;
use crate::world::{EMPTY, NFT, NONE, OURS};

/// How many there are.
pub const AGENTS: u32 = 10_000;
/// How many of them take turns, in the part where the program's time is counted.
const SOME: [u32; 3] = [1, 100, AGENTS];
/// Prefixes of each.
const PREFIXES: u32 = 10;
const ROUNDS: usize = 20;
const TURN: u64 = 20;

/// A cgroup for each agent, below the root of a place.
struct Crowd {
    names: Vec<String>,
    cgroups: Vec<PathBuf>,
}

/// A sender that speaks for all of them.
struct Voice {
    sender: Sender,
    wire: Wire,
}

/// The product with a policy for each agent.
struct Ours {
    instance: Instance,
    voice: Voice,
}

// === impl Crowd, Ours ===

impl Crowd {
    fn new(place: &Place) -> Result<Self> {
        let names: Vec<String> = (0..AGENTS).map(|n| format!("a{n}")).collect();
        let cgroups: Vec<PathBuf> = names.iter().map(|name| place.root().join(name)).collect();
        for path in &cgroups {
            fs::create_dir(path).with_context(|| format!("create {}", path.display()))?;
        }
        Ok(Self { names, cgroups })
    }

    fn voice(&self, greet: impl FnOnce(u32) -> Result<()>) -> Result<Voice> {
        let wire = Wire::new()?;
        let home = Home { near: wire.near.path(), cgroups: self.cgroups.clone() };
        Ok(Voice { sender: Sender::start(&wire, &home, greet)?, wire })
    }
}

impl Ours {
    fn start(nets: &[IpNet]) -> Result<Self> {
        let instance = Instance::start(policies::room(AGENTS, AGENTS * PREFIXES))?;
        let crowd = Crowd::new(instance.place())?;
        let plan = policies::plan_of_many(instance.settings(), &crowd.names, nets)?;
        instance.apply(&plan)?;
        instance.bind_all(
            &crowd.cgroups.iter().cloned().zip(crowd.names.clone()).collect::<Vec<_>>(),
        )?;
        // It goes from agent to agent, which none of them could.
        let voice = crowd.voice(|pid| instance.trust(pid))?;
        Ok(Self { instance, voice })
    }
}

/// Everything about many agents.
///
/// # Errors
/// Something cannot be made; what the product refuses is in the rows.
pub fn measure() -> Result<Vec<Row>> {
    let (place, empty_place) = (Place::new()?, Place::new()?);
    let (crowd, watched) = (Crowd::new(&place)?, Crowd::new(&empty_place)?);
    let mut empty = Loaded::empty()?;
    empty.attach(&empty_place)?;
    let nets = prefixes(PREFIXES, Lengths::Three);
    let (mut reference, mut none) = (crowd.voice(|_| Ok(()))?, crowd.voice(|_| Ok(()))?);
    let mut through_empty = watched.voice(|_| Ok(()))?;
    let mut ours = Ours::start(&nets);
    let mut nft = crowd.voice(|_| Ok(())).and_then(|voice| {
        rivals::nftables_of_many(&voice.wire.near, &place, &crowd.names, &nets)?;
        Ok(voice)
    });
    let mut rows = own_time(ours.as_mut(), empty.program()?, &mut through_empty);
    let mut taking: Vec<(&'static str, &mut dyn Sends)> =
        vec![(NONE, &mut none.sender), (EMPTY, &mut through_empty.sender)];
    match &mut ours {
        Ok(ours) => taking.push((OURS, &mut ours.voice.sender)),
        Err(error) => rows.push(missing(OURS, error)),
    }
    match &mut nft {
        Ok(voice) => taking.push((NFT, &mut voice.sender)),
        Err(error) => rows.push(missing(NFT, error)),
    }
    let all = rounds::take(&mut reference.sender, &mut taking, &order(AGENTS), ROUNDS)?;
    rows.extend(rows_of(&all, Part::Agents, order(AGENTS).traffic.title(), AGENTS));
    Ok(rows)
}

const fn order(agents: u32) -> Order {
    Order { traffic: Traffic::Turns(agents), ms: TURN }
}

/// The packet program's own time, over the empty program's, with more and more
/// agents taking turns.
fn own_time(
    ours: Result<&mut Ours, &mut Error>,
    empty: &CgroupSkb,
    through_empty: &mut Voice,
) -> Vec<Row> {
    let Ok(ours) = ours else { return Vec::new() };
    let row = |agents| {
        let series = ours.instance.program("egress_skb").and_then(|program| {
            let mut ours = Watched { program: &program, sender: &mut ours.voice.sender };
            let mut empty = Watched { program: empty, sender: &mut through_empty.sender };
            cold::rounds(&mut ours, &mut empty, &order(agents))
        });
        Row {
            part: Part::Cold,
            step: order(agents).traffic.title().to_owned(),
            subject: OURS.to_owned(),
            size: Some(agents),
            unit: Unit::NsOverEmpty,
            value: Value::of_result(series),
        }
    };
    SOME.map(row).into()
}

/// The row of somebody who did not come up.
pub fn missing(subject: &str, error: &Error) -> Row {
    Row {
        part: Part::Agents,
        step: order(AGENTS).traffic.title().to_owned(),
        subject: subject.to_owned(),
        size: Some(AGENTS),
        unit: Unit::Ratio,
        value: Value::Missing(format!("{error:#}")),
    }
}
