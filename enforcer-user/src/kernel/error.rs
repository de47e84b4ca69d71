//! What can go wrong between the daemon and the kernel.

use std::io;
use std::path::PathBuf;

/// Names the act, the object and the cause; `hint` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// This binary was built without the kernel programs.
    #[error("this binary holds no kernel programs")]
    NoPrograms,
    /// No cgroup2 file system is mounted.
    #[error("no cgroup2 file system is mounted")]
    NoCgroup2,
    /// `bpf_dir` is not on a bpffs.
    #[error("{} is not on a bpf file system", path.display())]
    NotBpffs {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be used.
    #[error("{act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The object or one of its maps was refused.
    #[error("load the kernel programs: {0}")]
    Object(#[from] aya::EbpfError),
    /// The verifier or the kernel refused a program.
    #[error("load {program}: {source}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Why not.
        source: Box<aya::programs::ProgramError>,
    },
    /// The programs' log messages cannot be read.
    #[error("read the programs' log: {0}")]
    Log(#[from] aya_log::Error),
    /// A program could not be attached.
    #[error("attach {program} to {}: {source}", cgroup.display())]
    Attach {
        /// Its name.
        program: &'static str,
        /// The cgroup.
        cgroup: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be attached to a hook of the whole host.
    #[error("attach {program} to {hook}: {source}")]
    Hook {
        /// Its name.
        program: &'static str,
        /// The hook's.
        hook: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A map could not be read or written.
    #[error("map {map}: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why not.
        source: Box<aya::maps::MapError>,
    },
    /// The pins were made by another version, or for another purpose.
    #[error("the pins in {} do not fit this binary: {what}", dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// What differs.
        what: String,
    },
    /// Nothing is pinned.
    #[error("nothing is enforced: no pins in {}", dir.display())]
    NoPins {
        /// The folder.
        dir: PathBuf,
    },
    /// The plan needs more than a table holds.
    #[error("the plan does not fit: {needed} {what} needed, {free} free of {capacity}")]
    Full {
        /// Entries of what.
        what: &'static str,
        /// How many are needed.
        needed: u64,
        /// How many are free, with the generation in force kept beside it.
        free: u64,
        /// How many there are.
        capacity: u64,
    },
    /// A prefix has port rules that the prefix table cannot say.
    #[error("agent `{agent}`: the port rules of {address} are out of the reach of its prefixes")]
    Unfit {
        /// Whose policy it is.
        agent: String,
        /// First address of the prefix.
        address: std::net::IpAddr,
    },
    /// No policy names this agent.
    #[error("no agent is named {0:?}")]
    UnknownAgent(String),
}

// === impl KernelError ===

impl KernelError {
    /// What to do about it, for people.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoPrograms => "build with `cargo xtask build`, which compiles and embeds them",
            Self::NoCgroup2 => "mount one: `mount -t cgroup2 none /sys/fs/cgroup`",
            Self::NotBpffs { .. } => "mount one there, or set `bpf_dir` below /sys/fs/bpf",
            Self::Program { .. } | Self::Attach { .. } | Self::Hook { .. } => {
                "the daemon needs CAP_BPF and CAP_NET_ADMIN; `enforcer doctor` lists what is missing"
            }
            Self::Foreign { .. } => {
                "what is pinned goes on enforcing; `enforcer detach --yes-stop-enforcing` removes it"
            }
            Self::NoPins { .. } => "start the daemon: `enforcer run`",
            Self::Full { .. } => {
                "raise `[capacity]` (after `enforcer detach`), or merge prefixes; the old generation stays in force"
            }
            Self::Unfit { .. } => "an agent can have about a million port rules: merge rules",
            Self::UnknownAgent(_) => "`enforcer agents` lists them",
            Self::Io { .. } | Self::Map { .. } if !nix::unistd::geteuid().is_root() => {
                "pins and maps are root's: run this as root"
            }
            Self::Io { .. } | Self::Object(_) | Self::Map { .. } | Self::Log(_) => return None,
        })
    }

    /// Wraps a map error with the map's name.
    pub(crate) fn map<E: Into<aya::maps::MapError>>(map: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Map { map, source: Box::new(source.into()) }
    }

    /// Wraps an I/O error with the act and the path.
    pub(crate) fn io(act: &'static str, path: &std::path::Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path: path.clone(), source }
    }
}
