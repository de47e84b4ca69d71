//! Findings and commands to dead credentials, against fakes that are named as
//! such. `oidc_provider.rs` does the same against a real server.

mod fakes;
mod inventory;
mod revokers;
mod worker;
mod crash;
mod secrecy;
