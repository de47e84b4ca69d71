//! Policies, credentials and events to test with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::Correlator;
use crate::events::{Event, EventKind};
use crate::policy::{
    AgentName, Credential, CredentialId, CredentialKind, Limits, Location, Mode, Policy,
    ProcessGrants, Response, SecretRef, Step, Trigger,
};

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn location() -> Location {
    Location { file: Arc::new(PathBuf::from("a.toml")), line: 1 }
}

pub(super) fn agent(name: &str) -> AgentName {
    AgentName::parse(name).expect("a valid name")
}

pub(super) fn respond(event: Trigger, count: u64, actions: &[Step]) -> Response {
    let within = Duration::from_secs(10);
    let (learn, between) = (Duration::ZERO, None);
    let (actions, location) = (actions.to_vec(), location());
    Response { event, count, within, learn, between, actions, location }
}

pub(super) fn policy(name: &str, responses: Vec<Response>) -> Policy {
    Policy {
        agent: agent(name),
        mode: Mode::Enforce,
        cgroups: Vec::new(),
        rules: Vec::new(),
        limits: Limits::default(),
        process: ProcessGrants::default(),
        responses,
        location: location(),
    }
}

pub(super) fn credential(id: &str, holder: &str) -> Credential {
    Credential {
        id: CredentialId::parse(id).expect("a valid id"),
        agents: vec![agent(holder)],
        kind: CredentialKind::ApiKey,
        scopes: Vec::new(),
        issued: None,
        rotate_every: Duration::from_secs(1),
        expires: None,
        secret: SecretRef::Env("X".into()),
        revoke: None,
        location: location(),
    }
}

pub(super) fn event(kind: EventKind, reason: &str, second: u64) -> Event {
    Event {
        time: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(second),
        seq: second,
        kind,
        agent: Some("a1".into()),
        verdict: None,
        reason: Some(reason.into()),
        hook: None,
        proto: None,
        destination: None,
        process: None,
        rule: None,
        policy_generation: 1,
        credentials: Vec::new(),
        suppressed: 0,
        sockets: None,
        message: None,
        ktime_ns: second * SECOND,
    }
}

pub(super) fn denied(second: u64) -> Event {
    event(EventKind::Denied, "no-rule", second)
}

pub(super) const REVOKE: &[Step] = &[Step::Revoke, Step::Alert];
pub(super) const TRIPWIRE: &[Step] = &[Step::Revoke, Step::Quarantine, Step::Alert, Step::Revoke];

pub(super) fn watching(responses: Vec<Response>) -> Correlator {
    let credentials = [credential("key", "a1"), credential("token", "a1"), credential("b", "b1")];
    Correlator::new(&[policy("a1", responses)], &credentials)
}
