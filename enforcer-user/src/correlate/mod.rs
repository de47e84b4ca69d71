//! From events to findings: which agent broke which `[[respond]]` rule, on what
//! evidence, and which of its credentials are concerned. Pure: no clock, no
//! input but events, so the same events always give the same findings.

mod finding;
mod usage;
mod window;
mod watch;
mod correlator;

pub use correlator::Correlator;
pub use finding::{Evidence, Finding};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
