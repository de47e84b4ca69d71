//! The daemon: it ties the parts together, in the order data flows, and proves
//! that what it tied holds.

pub mod control;
pub mod probe;
pub mod protocol;
