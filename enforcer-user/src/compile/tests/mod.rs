//! Compiled plans against the policies they come from.

mod flows;
mod mutation;
mod plans;
mod property;
mod table;
