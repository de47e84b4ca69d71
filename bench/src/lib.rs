//! What enforcement costs, measured beside no firewall, an empty program and other
//! firewalls. Modules stand in the order data flows: what is measured, how, and
//! what is said about it.

pub mod stats;
pub mod machine;
pub mod cpu;
pub mod prefixes;
pub mod order;
pub mod place;
pub mod wire;
pub mod programs;
pub mod policies;
pub mod instance;
pub mod rivals;
pub mod sender;
pub mod driver;
pub mod world;
pub mod testrun;
pub mod rounds;
pub mod load;
pub mod steps;
pub mod live;
pub mod cold;
pub mod agents;
pub mod caps;
pub mod reaction;
pub mod report;
pub mod targets;
pub mod run;
pub mod compare;
pub mod table;
pub mod chart;
pub mod docs;
