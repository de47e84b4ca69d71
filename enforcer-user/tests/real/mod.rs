//! Real servers, and one attempt at them.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_user::act::outbox::{Row, RowState, Violation};
use enforcer_user::act::revoke::{Job, Outcome, client};
use enforcer_user::act::secret::resolve;
use enforcer_user::policy::{
    AgentName, Credential, CredentialId, CredentialKind, Location, Revoker, SecretRef,
};
use time::OffsetDateTime;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);

/// What the variable names; a skip is said where there is nothing.
pub(crate) fn installed(variable: &str, test: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIP: {test}: {variable} names nothing installed");
    }
    found
}

/// A server's process, ended when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) base: String,
    /// Its home; also for the test's secrets.
    pub(crate) dir: tempfile::TempDir,
}

// === impl Server ===

impl Server {
    /// Starts it and waits until it answers at all.
    pub(crate) async fn start(mut command: Command, port: u16, dir: tempfile::TempDir) -> Self {
        drop(client().expect("installs the TLS provider"));
        let log = std::fs::File::create(dir.path().join("server.log")).expect("a log");
        let err = log.try_clone().expect("the same log");
        command.stdin(Stdio::null()).stdout(log).stderr(err).current_dir(dir.path());
        let process = command.spawn().expect("the server starts");
        let server = Self { process, base: format!("http://127.0.0.1:{port}"), dir };
        server
            .until("the server listens", async || {
                tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
            })
            .await;
        server
    }

    /// Asks until it is so.
    pub(crate) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !so().await {
            let log = || std::fs::read_to_string(self.dir.path().join("server.log"));
            assert!(begun.elapsed() < DEADLINE, "not in time: {what}: {:?}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A port that nobody listens at. OpenBao takes the next one, too.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a port").port();
        if TcpListener::bind(("127.0.0.1", port.saturating_add(1))).is_ok() {
            return port;
        }
    }
}

pub(crate) fn secret(dir: &Path, name: &str, value: &str) -> SecretRef {
    let path = dir.join(name);
    std::fs::write(&path, value).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    SecretRef::File(path)
}

/// A credential with this secret, to be killed so.
pub(crate) fn killing(dir: &Path, value: &str, revoke: Revoker) -> Credential {
    Credential {
        id: CredentialId::parse("key").expect("a valid id"),
        agents: vec![AgentName::parse("agent").expect("a valid name")],
        kind: CredentialKind::ApiKey,
        scopes: Vec::new(),
        issued: None,
        rotate_every: Duration::from_secs(86_400),
        expires: None,
        secret: secret(dir, "secret", value),
        revoke: Some(revoke),
        location: Location { file: Arc::new(PathBuf::from("c.toml")), line: 1 },
    }
}

/// One attempt, decided now.
pub(crate) async fn attempt(credential: &Credential, asked_before: bool) -> Outcome {
    let now = OffsetDateTime::now_utc();
    let row = Row {
        id: Uuid::now_v7(),
        credential: "key".into(),
        agent: None,
        finding: None,
        reason: "a test".into(),
        automatic: false,
        created: now,
        violation: Violation { ktime_ns: 1, boot_id: "boot".into(), time: now },
        fingerprint: None,
        attempts: 0,
        next_attempt: now,
        state: RowState::Pending,
        accepted: false,
        last_error: None,
    };
    let value = resolve(&credential.secret).expect("readable");
    let job = Job { row: &row, credential, secret: Some(&value), asked_before };
    enforcer_user::act::revoke::attempt(&client().expect("a client"), job).await
}
