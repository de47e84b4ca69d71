//! A connected socket of each agent, and a datagram of each in turn.

use std::net::UdpSocket;
use std::path::PathBuf;

use anyhow::{Context, Result};
use enforcer_tests::Random;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};

use super::enter;
use crate::order::Sent;
use crate::policies::PORT;
use crate::wire::{NEAR_V4, PEER_V4};

/// Datagrams between two looks at the clock.
const BATCH: usize = 64;
const SEND_BUFFER: usize = 1 << 20;

pub(super) struct Turns {
    sockets: Vec<UdpSocket>,
    next: usize,
}

// === impl Turns ===

impl Turns {
    /// Goes into each cgroup and, where there are several, makes a socket there.
    /// The process stays in the last.
    pub(super) fn open(cgroups: &[PathBuf]) -> Result<Self> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let most = most.max(cgroups.len() as u64 + 64);
        setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raise the limit of open files")?;
        let mut sockets = Vec::new();
        for cgroup in cgroups {
            enter(cgroup)?;
            if cgroups.len() > 1 {
                sockets.push(socket()?);
            }
        }
        let mut random = Random::new(1);
        for last in (1..sockets.len()).rev() {
            sockets.swap(last, random.below(last + 1));
        }
        Ok(Self { sockets, next: 0 })
    }

    /// Of so many of the agents, or of all.
    pub(super) fn take(&mut self, agents: u32, sent: &mut Sent) {
        let agents = self.sockets.len().min(agents as usize);
        for _ in 0..BATCH {
            self.next = if self.next + 1 >= agents { 0 } else { self.next + 1 };
            let Some(socket) = self.sockets.get(self.next) else { return };
            match socket.send(&[0; 18]) {
                Ok(_) => sent.done += 1,
                Err(_) => sent.failed += 1,
            }
        }
    }
}

fn socket() -> Result<UdpSocket> {
    // Every address of ours has 64 k ports at most, and they are enough.
    let socket = UdpSocket::bind((NEAR_V4, 0)).context("make a socket")?;
    socket.connect((PEER_V4, PORT)).context("connect it")?;
    setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).context("enlarge its buffer")?;
    Ok(socket)
}
