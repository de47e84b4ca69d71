//! The sending process. Everything it needs is made before the first turn, and
//! a turn does nothing but send.

mod tcp;
mod turns;
mod udp;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use enforcer_tests::Random;
use ipnet::IpNet;
use nix::sched::{CloneFlags, setns};

use crate::cpu::{self, Pinned};
use crate::driver::READY;
use crate::order::{Home, Order, Sent, Traffic};
use crate::policies::PORT;
use crate::prefixes::{Lengths, prefixes, random_in};
use crate::wire::{PEER_V4, PEER_V6};
use tcp::{Bulk, Listeners};
use turns::Turns;
use udp::Flood;

/// How many random destinations there are before they repeat.
const DESTINATIONS: usize = 1 << 19;
/// Nobody may send here (TEST-NET-2, RFC 5737).
const NOBODY: &str = "198.51.100.0/24";

/// What was made for earlier turns.
struct State {
    listeners: Listeners,
    floods: HashMap<Traffic, Flood>,
    bulk: Option<Bulk>,
    turns: Turns,
}

/// Serves orders from standard input until it is closed; the first line says where
/// to live. The process starts in the peer's namespace and outside every agent's
/// cgroup.
///
/// # Errors
/// What it needs cannot be made.
pub fn serve() -> Result<()> {
    let mut orders = std::io::stdin().lock().lines();
    let home = orders.next().context("nobody says where to live")??;
    let home: Home = serde_json::from_str(&home).context("read where to live")?;
    let _pinned = Pinned::to_last()?;
    let listeners = Listeners::open()?;
    let near = File::open(&home.near).with_context(|| format!("open {}", home.near))?;
    setns(near, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
    let turns = Turns::open(&home.cgroups)?;
    let mut state = State { listeners, floods: HashMap::new(), bulk: None, turns };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{READY}")?;
    for line in orders {
        let order: Order = serde_json::from_str(&line?).context("read an order")?;
        let sent = state.serve(&order)?;
        writeln!(out, "{}", serde_json::to_string(&sent)?)?;
    }
    Ok(())
}

// === impl State ===

impl State {
    fn serve(&mut self, order: &Order) -> Result<Sent> {
        let time = Duration::from_millis(order.ms);
        match order.traffic {
            Traffic::Connects => Ok(timed(time, |sent| self.listeners.connects(sent))),
            Traffic::Bulk => {
                let bulk = match &mut self.bulk {
                    Some(bulk) => bulk,
                    none => none.insert(Bulk::open(&self.listeners)?),
                };
                Ok(timed(time, |sent| bulk.push(sent)))
            }
            Traffic::Turns(agents) => Ok(timed(time, |sent| self.turns.take(agents, sent))),
            traffic @ (Traffic::Connected
            | Traffic::ConnectedV6
            | Traffic::Unconnected
            | Traffic::Random(..)
            | Traffic::RandomV6(..)
            | Traffic::Denied
            | Traffic::Capped) => {
                let flood = match self.floods.entry(traffic) {
                    Entry::Occupied(made) => made.into_mut(),
                    Entry::Vacant(none) => none.insert(flood(traffic)?),
                };
                Ok(timed(time, |sent| flood.batch(sent)))
            }
        }
    }
}

/// Repeats `work` for a time, and says what this thread's processor gave for it.
fn timed(time: Duration, mut work: impl FnMut(&mut Sent)) -> Sent {
    let mut sent = Sent::default();
    let (start, before) = (Instant::now(), cpu::thread_ns());
    while start.elapsed() < time {
        work(&mut sent);
    }
    sent.cpu_ns = cpu::thread_ns() - before;
    sent.wall_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    sent
}

fn flood(traffic: Traffic) -> Result<Flood> {
    let peer =
        |address: &str| -> Result<SocketAddr> { Ok((address.parse::<IpAddr>()?, PORT).into()) };
    match traffic {
        Traffic::Connected => Flood::connected(peer(PEER_V4)?),
        Traffic::ConnectedV6 => Flood::connected(peer(PEER_V6)?),
        Traffic::Capped => Ok(Flood::connected(peer(PEER_V4)?)?.singly()),
        Traffic::Random(count, lengths) => Flood::to(&destinations(count, lengths, true)),
        Traffic::RandomV6(count, lengths) => Flood::to(&destinations(count, lengths, false)),
        Traffic::Denied => {
            let mut random = Random::new(1);
            let nobody = [NOBODY.parse::<IpNet>()?];
            let addresses = (0..256).filter_map(|_| random_in(&nobody, &mut random));
            let nobody: Vec<_> = addresses.map(|to| (to, PORT).into()).collect();
            Ok(Flood::to(&nobody)?.singly())
        }
        Traffic::Unconnected | Traffic::Connects | Traffic::Bulk | Traffic::Turns(_) => {
            Flood::to(&[peer(PEER_V4)?])
        }
    }
}

fn destinations(count: u32, lengths: Lengths, v4: bool) -> Vec<SocketAddr> {
    let mut nets = prefixes(count, lengths);
    nets.retain(|net| net.addr().is_ipv4() == v4);
    let mut random = Random::new(1);
    let addresses = (0..DESTINATIONS).filter_map(|_| random_in(&nets, &mut random));
    addresses.map(|to| (to, PORT).into()).collect()
}

/// Moves this process into a cgroup.
fn enter(cgroup: &Path) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    fs::write(&procs, "0").with_context(|| format!("enter {}", cgroup.display()))
}
