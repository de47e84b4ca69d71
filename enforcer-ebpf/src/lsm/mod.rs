//! BPF LSM programs: what the cgroup hooks never see. They run for every
//! process of the host, so each asks the cheapest question first and the cgroup
//! of the caller after it; for whoever is not below the enforced root that is
//! all.

mod caller;
mod files;
mod host;
mod peer;
mod socket;
mod unix;

pub(crate) use peer::{ancestor, cgroup_of_task, is_cgroup_below_root};
