//! The programs that are not on cgroups: those at the kernel's security hooks,
//! which refuse, by BPF LSM or by fmod_ret; and two tracepoints, which watch for
//! processes that have left. Each is loaded by itself; enforcement stands
//! without them, and says which of them it has.

mod calls;
mod types;
mod hooks;
mod constants;
mod means;
mod canary;
mod trial;
mod load;
mod state;
mod layer;
mod trust;
mod probe;

pub(super) use constants::Constants;
pub(super) use layer::Layer;
pub use means::Means;
pub use probe::{Probe, probe};
pub use state::LayerState;
pub(super) use trust::trust;
