//! The revoker against a real authorization server, npm's `oidc-provider`.
//! `ENFORCER_TEST_OIDC_DIR` names a directory where it is installed; without,
//! the test says that it is skipped, and whoever runs it counts that.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_user::act::{
    Act, Cut, QuarantineError, QuarantineHandle, Report, RevocationReport, Setup,
};
use enforcer_user::config::StormBudget;
use enforcer_user::policy::{
    AgentName, ClientAuth, Credential, CredentialId, CredentialKind, Location, Revoker, SecretRef,
};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const CLIENT_SECRET: &str = "s3cret-enforcer-0123456789-0123456789";
/// A key that guards nothing.
const KEY: &str = include_str!("act/no-secret-rsa.pem");
const RUNS: usize = 15;

/// Written beside `node_modules`, so that Node finds the package.
const SERVER: &str = r#"
import { Provider } from 'oidc-provider';
import { createServer } from 'node:http';
import { createPublicKey } from 'node:crypto';
const basic = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
  token_endpoint_auth_method: 'client_secret_basic' };
const jwk = createPublicKey(process.env.KEY).export({ format: 'jwk' });
const byKey = { ...basic, token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'RS256',
  jwks: { keys: [{ ...jwk, kid: 'k1', use: 'sig', alg: 'RS256' }] } };
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(base, {
    clients: [{ client_id: 'agent', client_secret: process.env.SECRET, ...basic },
              { client_id: 'enforcer', client_secret: process.env.SECRET, ...basic },
              { client_id: 'enforcer-by-key', ...byKey }],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true } } });
  server.on('request', provider.callback());
  console.log(`ready ${base}`);
});
"#;

/// The server's process, ended when dropped.
struct Server {
    process: Child,
    base: String,
    _script: tempfile::NamedTempFile,
}

// === impl Server ===

impl Server {
    fn start(dir: &Path) -> Self {
        let script = tempfile::Builder::new().suffix(".mjs").tempfile_in(dir).expect("a script");
        std::fs::write(script.path(), SERVER).expect("written");
        let mut command = Command::new("node");
        command.arg(script.path()).env("SECRET", CLIENT_SECRET).env("KEY", KEY);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("node starts");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let ready = |line: String| line.strip_prefix("ready ").map(str::to_owned);
        let base = lines.map_while(Result::ok).find_map(ready).expect("oidc-provider is ready");
        Self { process, base, _script: script }
    }

    async fn post(&self, http: &reqwest::Client, path: &str, form: &[(&str, &str)]) -> Value {
        let request = http.post(format!("{}{path}", self.base)).form(form);
        let request = request.basic_auth("agent", Some(CLIENT_SECRET));
        request.send().await.expect("an answer").json().await.expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A fake kernel: a revocation by hand quarantines nobody.
struct NoKernel;

impl QuarantineHandle for NoKernel {
    fn quarantine(&self, _: &AgentName, _: &str) -> Result<Cut, QuarantineError> {
        Ok(Cut::Already)
    }
}

fn secret(dir: &Path, name: &str, value: &str) -> SecretRef {
    let path = dir.join(name);
    std::fs::write(&path, value).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    SecretRef::File(path)
}

/// The enforcer as either client.
fn by_secret(dir: &Path, _: &str) -> (String, ClientAuth) {
    ("enforcer".into(), ClientAuth::Secret(secret(dir, "client-secret", CLIENT_SECRET)))
}

fn by_key(dir: &Path, base: &str) -> (String, ClientAuth) {
    let (key, key_id) = (secret(dir, "client-key", KEY), Some("k1".to_owned()));
    let auth = ClientAuth::PrivateKey { key, key_id, audience: base.to_owned() };
    ("enforcer-by-key".into(), auth)
}

fn credential(dir: &Path, base: &str, client: (String, ClientAuth)) -> Credential {
    let (client_id, client_auth) = client;
    Credential {
        id: CredentialId::parse("token").expect("a valid id"),
        agents: vec![AgentName::parse("agent").expect("a valid name")],
        kind: CredentialKind::OAuth2,
        scopes: Vec::new(),
        issued: None,
        rotate_every: Duration::from_secs(86_400),
        expires: None,
        secret: secret(dir, "token", "none yet"),
        revoke: Some(Revoker::OAuth2 {
            endpoint: format!("{base}/token/revocation"),
            introspect: format!("{base}/token/introspection"),
            client_id,
            client_auth,
        }),
        location: Location { file: Arc::new(PathBuf::from("c.toml")), line: 1 },
    }
}

/// The worker goes on until its handle is dropped.
fn acting(
    state_dir: &Path,
    base: &str,
    client: (String, ClientAuth),
) -> (Act, UnboundedReceiver<Report>) {
    let (sender, reports) = unbounded_channel();
    let setup = Setup {
        state_dir: state_dir.into(),
        boot_id: "boot".into(),
        storm: StormBudget { revocations: 0, per: Duration::from_secs(1) },
        credentials: vec![credential(state_dir, base, client)],
        quarantine: Arc::new(NoKernel),
        reports: sender,
    };
    (Act::start(setup).expect("starts").0, reports)
}

async fn counted(reports: &mut UnboundedReceiver<Report>) -> RevocationReport {
    let counted = async {
        loop {
            match reports.recv().await.expect("the worker lives") {
                Report::Revocation(report) => return report,
                Report::Event(_) => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.expect("told in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn real_tokens_die_and_their_server_says_so() {
    let Some(dir) = std::env::var_os("ENFORCER_TEST_OIDC_DIR") else {
        eprintln!(
            "SKIP: real_tokens_die_and_their_server_says_so: ENFORCER_TEST_OIDC_DIR does not name an installed oidc-provider"
        );
        return;
    };
    let server = Server::start(Path::new(&dir));
    let state = tempfile::tempdir().expect("a directory");
    let client = by_secret(state.path(), &server.base);
    let (act, mut reports) = acting(state.path(), &server.base, client);
    let http = reqwest::Client::new();
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let form = [("grant_type", "client_credentials")];
        let issued = server.post(&http, "/token", &form).await;
        let token = issued["access_token"].as_str().expect("a token");
        let question = [("token", token)];
        let life = server.post(&http, "/token/introspection", &question).await;
        assert_eq!(life["active"], true);
        secret(state.path(), "token", token);
        let begun = Instant::now();
        act.revoke("token", "test").await.expect("taken on");
        assert_eq!(counted(&mut reports).await.outcome, "confirmed");
        took.push(begun.elapsed());
        let life = server.post(&http, "/token/introspection", &question).await;
        assert_eq!(life["active"], false);
    }
    took.sort();
    println!("decision to dead token: median {:?}, worst {:?}", took[RUNS / 2], took[RUNS - 1]);
}

/// Each assertion is taken once, so revocation and introspection need their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_private_key_revokes_too() {
    let Some(dir) = std::env::var_os("ENFORCER_TEST_OIDC_DIR") else {
        eprintln!(
            "SKIP: a_client_with_a_private_key_revokes_too: ENFORCER_TEST_OIDC_DIR does not name an installed oidc-provider"
        );
        return;
    };
    let server = Server::start(Path::new(&dir));
    let state = tempfile::tempdir().expect("a directory");
    let client = by_key(state.path(), &server.base);
    let (act, mut reports) = acting(state.path(), &server.base, client);
    let http = reqwest::Client::new();
    let issued = server.post(&http, "/token", &[("grant_type", "client_credentials")]).await;
    let token = issued["access_token"].as_str().expect("a token");
    secret(state.path(), "token", token);
    act.revoke("token", "test").await.expect("taken on");
    assert_eq!(counted(&mut reports).await.outcome, "confirmed");
    let life = server.post(&http, "/token/introspection", &[("token", token)]).await;
    assert_eq!(life["active"], false);
}
