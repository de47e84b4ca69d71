//! Programs at the kernel's security hooks: what the cgroup hooks never see. They
//! run for every process of the host, so each asks the cheapest question first
//! and the cgroup of the caller after it; for whoever is not below the enforced
//! root that is all.
//!
//! The same programs are loaded for BPF LSM and, where the kernel was started
//! without it, as fmod_ret of the function that asks the security modules: so
//! they may use only what both have, and no argument that one has not.

mod caller;
mod files;
mod host;
mod peer;
mod process;
mod procfs;
mod socket;
mod unix;

pub(crate) use peer::{ancestor, cgroup_of_task, is_cgroup_below_root};
