//! What `/metrics`, `/healthz` and `/readyz` say. Labels are bounded: agents,
//! credential ids and closed vocabularies, never an address or a secret.

mod families;
mod floor;
mod http;
mod registry;
mod snapshot;

pub use http::{Exposed, serve};
pub use registry::Metrics;
pub use snapshot::{CounterRow, CredentialRow, MapRow, Snapshot, UNASSIGNED};
