//! The bench's own kernel programs (`bench/ebpf`): nothing, systemd's shape of
//! filter, and the sink at the end of the wire.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, SchedClassifier, TcAttachType, tc,
};
use aya::{Ebpf, EbpfLoader};
use enforcer_tests::netns::Netns;
use ipnet::IpNet;

use crate::place::Place;
use crate::wire::DEVICE;

/// Where the compiled programs are, if not where `cargo xtask bench` says.
const VARIABLE: &str = "ENFORCER_BENCH_PROGRAMS";
const USUALLY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bpf/bench.bpf.o");

/// Loaded programs; they are detached when this is dropped.
#[derive(Debug)]
pub struct Loaded {
    ebpf: Ebpf,
    name: &'static str,
}

// === impl Loaded ===

impl Loaded {
    /// A program that permits everything.
    ///
    /// # Errors
    /// The object is missing, or the kernel refuses it.
    pub fn empty() -> Result<Self> {
        Self::load("empty", 0, 0)
    }

    /// systemd's shape of filter, with these prefixes allowed.
    ///
    /// # Errors
    /// As [`Loaded::empty`]; or the kernel refuses an entry.
    pub fn sieve(nets: &[IpNet]) -> Result<Self> {
        let v4 = nets.iter().filter(|net| net.addr().is_ipv4()).count();
        let mut loaded = Self::load("sieve", v4, nets.len() - v4)?;
        loaded.allow(
            "ALLOW4",
            nets.iter().filter_map(|net| match net {
                IpNet::V4(net) => Some(Key::new(net.prefix_len().into(), net.network().octets())),
                IpNet::V6(_) => None,
            }),
        )?;
        loaded.allow(
            "ALLOW6",
            nets.iter().filter_map(|net| match net {
                IpNet::V6(net) => Some(Key::new(net.prefix_len().into(), net.network().octets())),
                IpNet::V4(_) => None,
            }),
        )?;
        Ok(loaded)
    }

    fn load(name: &'static str, v4: usize, v6: usize) -> Result<Self> {
        let path = std::env::var_os(VARIABLE).map_or_else(|| USUALLY.into(), PathBuf::from);
        let object = read(&path)?;
        let entries = |count: usize| u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("ALLOW4", entries(v4))
            .map_max_entries("ALLOW6", entries(v6))
            .load(&object)
            .with_context(|| format!("load {}", path.display()))?;
        program(&mut ebpf, name)?.load().with_context(|| format!("load {name}"))?;
        Ok(Self { ebpf, name })
    }

    fn allow<const N: usize>(
        &mut self,
        map: &str,
        keys: impl Iterator<Item = Key<[u8; N]>>,
    ) -> Result<()>
    where
        [u8; N]: aya::Pod,
    {
        let map = self.ebpf.map_mut(map).context("the object has no such map")?;
        let mut trie = LpmTrie::<_, [u8; N], u64>::try_from(map)?;
        for key in keys {
            trie.insert(&key, 1, 0).context("fill the trie")?;
        }
        Ok(())
    }

    /// Attaches it to a place's root, beside whatever is there.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(&mut self, place: &Place) -> Result<()> {
        let root = place.open_root()?;
        let program = program(&mut self.ebpf, self.name)?;
        // With links, "single" is how aya spells no flags; links are always many.
        program.attach(root, CgroupSkbAttachType::Egress, CgroupAttachMode::Single)?;
        Ok(())
    }

    /// The program, to be run without packets.
    ///
    /// # Errors
    /// Never, after it was loaded.
    pub fn program(&self) -> Result<&CgroupSkb> {
        let program = self.ebpf.program(self.name).context("the object has no such program")?;
        Ok(program.try_into()?)
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut CgroupSkb> {
    let program = ebpf.program_mut(name).context("the object has no such program")?;
    Ok(program.try_into()?)
}

/// What drops UDP at the far end of a wire; it goes with this.
#[derive(Debug)]
pub struct Sink(#[expect(dead_code, reason = "holds the program and its link")] Ebpf);

// === impl Sink ===

impl Sink {
    /// Puts one at the end of the wire that is in `far`.
    ///
    /// # Errors
    /// As [`Loaded::empty`].
    pub fn attach(far: &Netns) -> Result<Self> {
        let path = std::env::var_os(VARIABLE).map_or_else(|| USUALLY.into(), PathBuf::from);
        let mut ebpf = Ebpf::load(&read(&path)?).context("load the sink")?;
        let program = ebpf.program_mut("sink").context("the object has no sink")?;
        let program: &mut SchedClassifier = program.try_into()?;
        program.load().context("load the sink")?;
        far.run(|| {
            // Needed before Linux 6.6; harmless later.
            let _there_already = tc::qdisc_add_clsact(DEVICE);
            program.attach(DEVICE, TcAttachType::Ingress).context("attach the sink")
        })?;
        Ok(Self(ebpf))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path)
        .with_context(|| format!("read {}\nhint: `cargo xtask bench` builds it", path.display()))
}
