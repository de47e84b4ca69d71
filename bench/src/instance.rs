//! The product's own kernel side, started as the daemon starts it, with one or
//! many agents and nobody else.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{CgroupSkb, CgroupSkbAttachType, loaded_programs};
use enforcer_common::{Line, PortRule};
use enforcer_tests::cgroup;
use enforcer_user::compile::Plan;
use enforcer_user::config::Settings;
use enforcer_user::kernel::{Kernel, Occupancy, cgroup_id};
use enforcer_user::policy::AgentName;

use crate::place::{AGENT, Place};
use crate::policies;

/// How many entries the kernel's tables are to have room for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Agents.
    pub agents: u32,
    /// Prefixes of all agents.
    pub prefixes: u32,
    /// Port rules of all agents.
    pub port_rules: u32,
}

/// A running kernel side. Dropping it ends its enforcement.
pub struct Instance {
    kernel: Kernel,
    settings: Settings,
    place: Place,
    /// Whose cgroup is whose, by id: a new plan leaves them theirs.
    bindings: RefCell<Vec<(u64, AgentName)>>,
}

// === impl Instance ===

impl Instance {
    /// Starts one in a place of its own.
    ///
    /// # Errors
    /// The settings are refused, or the kernel refuses the programs: the
    /// product's own words.
    pub fn start(room: Room) -> Result<Self> {
        let place = Place::new()?;
        let settings = settings(&place, room)?;
        let (kernel, _) = Kernel::start(&settings)?;
        // This process goes into the agents' cgroups and comes back.
        kernel.trust(std::process::id())?;
        Ok(Self { kernel, settings, place, bindings: RefCell::default() })
    }

    /// Its settings, for the compiler.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Puts a plan in force, and tells how long that took.
    ///
    /// # Errors
    /// The kernel refuses; the plan before stays.
    pub fn apply(&self, plan: &Plan) -> Result<Duration> {
        let before = Instant::now();
        self.kernel.apply(plan, &self.bindings.borrow())?;
        Ok(before.elapsed())
    }

    /// Makes the cgroup of the single agent its own.
    ///
    /// # Errors
    /// The plan in force has no such agent.
    pub fn bind(&self) -> Result<()> {
        self.bind_all(&[(self.place.agent(), AGENT.to_owned())])
    }

    /// Makes these cgroups these agents'.
    ///
    /// # Errors
    /// As [`Instance::bind`].
    pub fn bind_all(&self, cgroups: &[(PathBuf, String)]) -> Result<()> {
        let bindings: Result<Vec<_>> =
            cgroups.iter().map(|(path, name)| Ok((cgroup_id(path)?, agent_name(name)?))).collect();
        let bindings = bindings?;
        self.kernel.bind(&bindings)?;
        *self.bindings.borrow_mut() = bindings;
        Ok(())
    }

    /// Lets a process go from agent to agent, as the daemon's own child may.
    ///
    /// # Errors
    /// There is no such process.
    pub fn trust(&self, pid: u32) -> Result<()> {
        Ok(self.kernel.trust(pid)?)
    }

    /// One of its programs for packets, named as its link is.
    ///
    /// # Errors
    /// There is no such link.
    pub fn program(&self, link: &'static str) -> Result<CgroupSkb> {
        let pin = self.settings.bpf_dir.join("links").join(link);
        let link_fd = FdLink::from(PinnedLink::from_pin(&pin)?);
        let id = link_fd.info()?.program_id();
        let info = loaded_programs()
            .filter_map(Result::ok)
            .find(|program| program.id() == id)
            .with_context(|| format!("{link} is not loaded"))?;
        let way = if link == "ingress_skb" {
            CgroupSkbAttachType::Ingress
        } else {
            CgroupSkbAttachType::Egress
        };
        Ok(CgroupSkb::from_program_info(info, link.into(), Some(way))?)
    }

    /// Runs `work` as a process of the agent.
    ///
    /// # Errors
    /// The process cannot enter, or what `work` says.
    pub fn as_agent<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        cgroup::enter(&self.place.agent()).context("enter the agent's cgroup")?;
        let result = work();
        cgroup::enter(&cgroup::mount_point()).context("leave the agent's cgroup")?;
        result
    }

    /// Lets the agent back that is quarantined, and tells since when it was
    /// (`CLOCK_MONOTONIC`); `None` where it was not.
    pub fn release(&self) -> Option<u64> {
        let (agent, state) = self.kernel.quarantines().pop()?;
        self.kernel.release(&agent).ok()?.then_some(state.at_ktime_ns)
    }

    /// Leaves nothing attached that looks up where a datagram goes but the program
    /// for packets, so that its look-up is the first.
    ///
    /// # Errors
    /// A link is gone already.
    pub fn only_packets(self) -> Result<(Place, CgroupSkb)> {
        let program = self.program("egress_skb")?;
        let Self { kernel, settings, place, .. } = self;
        // The handle holds the links too.
        drop(kernel);
        for link in ["egress_sendmsg4", "egress_sendmsg6"] {
            for folder in ["links", "links-kept"] {
                let pin = settings.bpf_dir.join(folder).join(link);
                fs::remove_file(&pin).with_context(|| format!("remove {}", pin.display()))?;
            }
        }
        Ok((place, program))
    }

    /// Memory that the policies in force take, in bytes: their share of tables that
    /// are as large as `[capacity]` says.
    pub fn memory(&self) -> u64 {
        let of = |what: Occupancy| match what.map {
            "prefixes" => what.entries * size_of::<Line>() as u64,
            "port_rules" => what.entries * size_of::<PortRule>().next_multiple_of(8) as u64,
            _ => 0,
        };
        self.kernel.occupancy().into_iter().map(of).sum()
    }
}

fn agent_name(name: &str) -> Result<AgentName> {
    AgentName::parse(name).map_err(|_| anyhow!("{name} is no name for an agent"))
}

fn settings(place: &Place, room: Room) -> Result<Settings> {
    let folder = place.folder().display();
    let Room { agents, prefixes, port_rules } = room;
    let text = format!(
        "version = 1\nroot = \"{root}\"\npolicies = \"{folder}/policies.d\"\n\
         credentials = \"{folder}/credentials.d\"\nstate_dir = \"{folder}/state\"\n\
         bpf_dir = \"{folder}/bpf/enforcer\"\ncontrol_socket = \"{folder}/control.sock\"\n\
         [capacity]\nagents = {agents}\nprefixes = {prefixes}\n\
         port_rules = {port_rules}\n",
        root = place.name(),
    );
    let path = place.folder().join("enforcer.toml");
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Settings::load(&path).map_err(|errors| policies::refused(&errors))
}
