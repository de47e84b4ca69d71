//! (skeleton)

pub mod protocol;
