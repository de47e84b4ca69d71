//! What crosses the boundary between kernel and daemon, and what both sides
//! must agree on: the closed vocabularies, the layouts of maps and records, the
//! bounded header parser, and [`decide`], the policy semantics written once.
//!
//! Modules stand in the order a packet passes them.
#![cfg_attr(not(any(test, feature = "user")), no_std)]

#[macro_use]
mod abi;

mod address;
mod cap;
mod call;
mod decide;
mod field;
mod flow;
mod header;
mod glance;
mod shortcut;
mod layout;
mod prefixes;
mod record;
mod tcp;
mod tripwire;
mod vocabulary;

pub use abi::ABI_VERSION;
pub use address::Address;
pub use call::{
    CANARY_COMMAND, COMPUTE_DEVICES, TaskTag, decide_call, is_permitted_family,
    is_refused_capability,
};
pub use cap::{Cap, Meter, TICKS_PER_NS};
pub use decide::{
    Charge, Decision, Found, PolicyTables, Socket, decide, decide_arrival, decide_refusal,
    decide_socket, decide_unix, is_allowed_by_rule,
};
pub use field::{Field, FieldOffsets};
pub use flow::{CANARY_PORT_PACKET, CANARY_PORT_SOCKET, CANARY_V4, CANARY_V6, Flow, Protocol};
pub use glance::{FlowKey, Linear, glance, join};
pub use header::{DESTINATION, Packet, SOURCE, parse, parse_answer_into, parse_into};
pub use layout::{
    AgentEntry, AgentLimits, AgentState, BANKS, Control, Counter, FileKey, InterfaceKey, MAX_DEPTH,
    MAX_PORT_RULES, NAME_LEN, OUTCOMES, PortList, PortRule, RecordStats, SLOT_UNBOUND, SocketTag,
    UnixKey, climbs, outcome,
};
pub use prefixes::{Area, Head, Kind, Line, Lines, PROBES, Step, find, find_further, probe, step};
#[cfg(any(test, feature = "user"))]
pub use prefixes::{Entry, Image, Unfit};
pub use record::{COMM_LEN, NO_RULE, Record, UNIX_PATH, UnixRecord, device_detail, option_detail};
pub use shortcut::{SHORTCUT_KEYS, Shortcut};
pub use tcp::{bare_reset, continues_tcp};
pub use tripwire::{Stamps, TRIPWIRE_MAX, Tripwire, WindowStore};
pub use vocabulary::{Hook, Reason, RecordKind, UnknownCode, Verdict};
