//! From events to findings: which agent broke which `[[respond]]` rule, on what
//! evidence, and which of its credentials are concerned. Pure: no clock, no
//! input but events and samples of counters, so the same ones always give the
//! same findings.

mod finding;
mod usage;
mod sign;
mod sample;
mod window;
mod moment;
mod distinct;
mod lasting;
mod familiar;
mod baseline;
mod memory;
mod rule;
mod watch;
mod sampled;
mod correlator;

pub use correlator::Correlator;
pub use finding::{Evidence, Finding};
pub use memory::Memory;
pub use sample::Sample;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
