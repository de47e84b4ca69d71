//! Everything that is measured at one number of prefixes, side by side: each
//! contestant with a wire, a cgroup and a sender of its own.

use std::time::{Duration, Instant};

use anyhow::Result;
use enforcer_user::compile::Plan;
use ipnet::IpNet;

use crate::driver::Sender;
use crate::instance::Instance;
use crate::place::Place;
use crate::policies;
use crate::prefixes::{PEER_NET_V4, PEER_NET_V6};
use crate::programs::Loaded;
use crate::rivals::{self, Backend};
use crate::wire::Wire;

/// No firewall at all.
pub const NONE: &str = "none";
/// A program that does nothing.
pub const EMPTY: &str = "empty";
/// The product.
pub const OURS: &str = "ours";
/// nftables, with a tree and with bitmaps.
pub const NFT: &str = "nftables, tree";
/// See [`NFT`].
pub const NFT_BITMAPS: &str = "nftables, bitmaps";
/// iptables with a set and `hashlimit`.
pub const IPSET: &str = "iptables + ipset";
/// The token bucket of the traffic control.
pub const TBF: &str = "tc tbf";
/// What systemd makes of `IPAddressAllow=`.
pub const SYSTEMD: &str = "systemd's shape";

/// Who enforces, held while it is measured.
enum Guard {
    Nobody,
    Rules,
    Program(#[expect(dead_code, reason = "detached when dropped")] Loaded),
}

/// One contestant.
pub struct Contestant {
    /// One of the names above.
    pub subject: &'static str,
    /// The sender of its agent.
    pub sender: Sender,
    /// How long its rules took to load, where it has any.
    pub took: Option<Duration>,
    _guard: Guard,
    _place: Option<Place>,
    _wire: Wire,
}

/// The product at one size.
pub struct Ours {
    /// Its kernel side.
    pub instance: Instance,
    /// How long loading the policy took.
    pub took: Duration,
    /// What it takes of the kernel's tables, in bytes.
    pub memory: u64,
    capped: Plan,
}

// === impl Ours ===

impl Ours {
    /// Starts one with a policy of these prefixes in force, without caps.
    ///
    /// # Errors
    /// The product's own words on what it refuses.
    pub fn start(nets: &[IpNet]) -> Result<Self> {
        let count = u32::try_from(nets.len()).unwrap_or(u32::MAX);
        let instance = Instance::start(policies::room(1, count))?;
        let capped = policies::plan(instance.settings(), nets, true)?;
        let plain = uncapped(&capped, instance.settings())?;
        let took = instance.apply(&plain)?;
        instance.bind()?;
        let memory = instance.memory();
        Ok(Self { instance, took, memory, capped })
    }

    /// The policy with caps, compiled.
    pub fn capped(&self) -> &Plan {
        &self.capped
    }

    /// Puts the policy in force again, with caps.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn cap(&self) -> Result<()> {
        self.instance.apply(&self.capped).map(drop)
    }
}

/// The same plan with the limits of a policy without caps.
fn uncapped(capped: &Plan, settings: &enforcer_user::config::Settings) -> Result<Plan> {
    let small = policies::plan(settings, &[], false)?;
    let mut plan = capped.clone();
    for (agent, pattern) in plan.agents.iter_mut().zip(&small.agents) {
        agent.limits = pattern.limits;
    }
    Ok(plan)
}

// === impl Contestant ===

impl Contestant {
    /// Nothing between the sender and the wire.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn none() -> Result<Self> {
        Self::in_place(NONE, |_, _| Ok(Guard::Nobody))
    }

    /// An empty program.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn empty() -> Result<Self> {
        Self::in_place(EMPTY, |_, place| {
            let mut program = Loaded::empty()?;
            program.attach(place)?;
            Ok(Guard::Program(program))
        })
    }

    /// The product; its instance stays where it is.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn ours(ours: &Ours) -> Result<Self> {
        let wire = Wire::new()?;
        let sender = Sender::at(&wire, ours.instance.place())?;
        Ok(Self {
            subject: OURS,
            sender,
            took: None,
            _guard: Guard::Nobody,
            _place: None,
            _wire: wire,
        })
    }

    /// The rivals, in the order of the tables, each as it came up.
    pub fn rivals(nets: &[IpNet]) -> Vec<(&'static str, Result<Self>)> {
        let rules = |subject, load: &dyn Fn(&Wire, &Place) -> Result<Duration>| {
            (
                subject,
                Self::in_place(subject, |wire, place| load(wire, place).map(|_| Guard::Rules)),
            )
        };
        let nft = |backend| {
            move |wire: &Wire, place: &Place| rivals::nftables(&wire.near, place, nets, backend)
        };
        vec![
            (SYSTEMD, Self::systemd(nets)),
            rules(IPSET, &|wire, place| rivals::ipset(&wire.near, place, nets)),
            rules(NFT, &nft(Backend::Tree)),
            rules(NFT_BITMAPS, &nft(Backend::Bitmaps)),
        ]
    }

    fn systemd(nets: &[IpNet]) -> Result<Self> {
        Self::in_place(SYSTEMD, |_, place| {
            let mut nets = nets.to_vec();
            nets.extend([PEER_NET_V4.parse::<IpNet>()?, PEER_NET_V6.parse()?]);
            let mut program = Loaded::sieve(&nets)?;
            program.attach(place)?;
            Ok(Guard::Program(program))
        })
    }

    fn in_place(
        subject: &'static str,
        guard: impl FnOnce(&Wire, &Place) -> Result<Guard>,
    ) -> Result<Self> {
        let (wire, place) = (Wire::new()?, Place::new()?);
        let before = Instant::now();
        let guard = guard(&wire, &place)?;
        let took = Some(before.elapsed());
        let sender = Sender::at(&wire, &place)?;
        Ok(Self { subject, sender, took, _guard: guard, _place: Some(place), _wire: wire })
    }
}
