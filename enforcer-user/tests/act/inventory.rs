//! Credentials and findings to test with.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use enforcer_user::act::outbox::{Row, RowState, Violation};
use enforcer_user::correlate::{Evidence, Finding};
use enforcer_user::kernel::monotonic_ns;
use enforcer_user::policy::{
    AgentName, ClientAuth, Credential, CredentialId, CredentialKind, Location, Revoker, SecretRef,
    Step, Trigger,
};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) const TOKEN: &str = "tok+en/with=odd&chars-8f3a";
pub(crate) const CLIENT_SECRET: &str = "cl1ent:s3cret+%-77b1";

/// Writes a secret that only its owner can read.
pub(crate) fn secret(dir: &Path, name: &str, value: &str) -> SecretRef {
    let path = dir.join(name);
    std::fs::write(&path, format!("{value}\n")).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    SecretRef::File(path)
}

pub(crate) fn oauth2(dir: &Path, base: &str) -> Revoker {
    Revoker::OAuth2 {
        endpoint: format!("{base}/revoke"),
        introspect: format!("{base}/introspect"),
        client_id: "enforcer:1".into(),
        client_auth: ClientAuth::Secret(secret(dir, "client-secret", CLIENT_SECRET)),
    }
}

pub(crate) fn credential(dir: &Path, id: &str, revoke: Option<Revoker>) -> Credential {
    Credential {
        id: CredentialId::parse(id).expect("a valid id"),
        agents: vec![agent()],
        kind: CredentialKind::OAuth2,
        scopes: Vec::new(),
        issued: None,
        rotate_every: Duration::from_secs(90 * 86_400),
        expires: None,
        secret: secret(dir, &format!("token-{id}"), TOKEN),
        revoke,
        location: Location { file: Arc::new(PathBuf::from("c.toml")), line: 1 },
    }
}

pub(crate) fn agent() -> AgentName {
    AgentName::parse("a1").expect("a valid name")
}

/// A finding of this moment. One of long ago would be given up at its first
/// attempt on a host that has been up for a day.
pub(crate) fn finding(credentials: &[Credential], steps: &[Step]) -> Finding {
    let now = OffsetDateTime::now_utc();
    let reason = "no-rule".into();
    Finding {
        id: Uuid::now_v7(),
        agent: agent(),
        trigger: Trigger::Denied,
        evidence: Evidence {
            destination: None,
            reason,
            count: 3,
            usual: None,
            within: Duration::from_secs(10),
            first: now,
            last: now,
        },
        alarm: true,
        ktime_ns: monotonic_ns(),
        credentials: credentials.iter().map(|credential| credential.id.clone()).collect(),
        steps: steps.to_vec(),
    }
}

/// A row as the outbox would hold it.
pub(crate) fn row(credential: &Credential) -> Row {
    let now = OffsetDateTime::now_utc();
    Row {
        id: Uuid::now_v7(),
        credential: credential.id.as_str().into(),
        agent: Some("a1".into()),
        finding: None,
        reason: "was denied 3 times".into(),
        automatic: true,
        created: now,
        violation: Violation { ktime_ns: 1, boot_id: "boot".into(), time: now },
        fingerprint: Some("00112233aabbccdd".into()),
        attempts: 0,
        next_attempt: now,
        state: RowState::Pending,
        accepted: false,
        last_error: None,
    }
}
