//! The programs that are not on cgroups: BPF LSM, which refuses, and two
//! tracepoints, which watch for processes that have left. Each is loaded by
//! itself; enforcement stands without them, and says which of them it has.

mod calls;
mod types;
mod hooks;
mod constants;
mod load;
mod canary;
mod state;
mod layer;
mod trust;
mod probe;

pub(super) use constants::Constants;
pub(super) use layer::Layer;
pub use probe::{Probe, probe};
pub use state::LayerState;
pub(super) use trust::trust;
