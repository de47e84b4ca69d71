//! The firewalls of the host, with the same policy: these prefixes for this
//! cgroup, a packet cap that is charged and never refuses, a counter, and the
//! rest of the cgroup's packets dropped.

mod ipset;
mod nft;

use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use enforcer_tests::netns::Netns;
use ipnet::IpNet;

use crate::place::Place;
use crate::prefixes::{PEER_NET_V4, PEER_NET_V6};

pub use ipset::ipset;
pub use nft::{Backend, nftables, nftables_of_many};

/// What loading a rival's rules may take; a bench has to end.
const PATIENCE: Duration = Duration::from_secs(40);
/// What nftables' bitmaps may take: they stop growing in proportion somewhere
/// between 100 k and 1 M prefixes.
const LESS_PATIENCE: Duration = Duration::from_secs(8);
/// Far above what one processor sends.
const RATE: u32 = 100_000_000;
const BURST: u32 = 1_000_000;

/// The prefixes and the wire's own, of one family, as text.
fn of_family(nets: &[IpNet], v4: bool) -> impl Iterator<Item = String> {
    let peers = [PEER_NET_V4, PEER_NET_V6].map(str::to_owned);
    let nets = nets.iter().filter(move |net| net.addr().is_ipv4() == v4).map(IpNet::to_string);
    nets.chain(peers.into_iter().filter(move |net| net.contains('.') == v4))
}

/// A cgroup as these firewalls name it: from the mount of all cgroups on, with
/// its depth below the cgroup2 mount.
fn cgroup_in_words(place: &Place) -> (String, usize) {
    let (agent, mount) = (place.agent(), enforcer_tests::cgroup::mount_point());
    let below_mount = agent.strip_prefix(&mount).map_or(0, |path| path.components().count());
    (agent.strip_prefix("/sys/fs/cgroup").unwrap_or(&agent).display().to_string(), below_mount)
}

/// A program of these, if the host has it.
fn program(name: &str) -> Result<&str> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    let there = folders.map(|folder| std::path::Path::new(folder).join(name)).any(|p| p.is_file());
    if there { Ok(name) } else { bail!("not installed") }
}

/// Runs a program in the namespace with `input`, and tells how long it took.
fn run(near: &Netns, words: &[&str], input: &str, patience: Duration) -> Result<Duration> {
    let shown = words.join(" ");
    let (name, arguments) = words.split_first().context("no program")?;
    let mut file = tempfile::tempfile()?;
    file.write_all(input.as_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    let mut complaints = tempfile::tempfile()?;
    let mut command = Command::new(program(name)?);
    command.args(arguments).stdin(file).stdout(Stdio::null()).stderr(complaints.try_clone()?);
    let start = Instant::now();
    let mut child = near.put(&mut command).spawn().with_context(|| format!("start {shown}"))?;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(start.elapsed()),
            Some(status) => {
                let mut said = String::new();
                complaints.seek(SeekFrom::Start(0))?;
                complaints.read_to_string(&mut said)?;
                bail!("{shown}: {status}: {}", said.lines().next().unwrap_or_default());
            }
            None if start.elapsed() > patience => {
                child.kill()?;
                child.wait()?;
                bail!("did not load in {} s", patience.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}
