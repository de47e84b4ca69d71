//! Findings and commands to dead credentials, against fakes that are named as
//! such. `oidc_provider.rs` does the same against a real server.

mod fakes;
mod inventory;
mod attempts;
mod oauth2;
mod providers;
mod contract;
mod receivers;
mod acting;
mod worker;
mod trouble;
mod crash;
mod full_disk;
mod secrecy;
