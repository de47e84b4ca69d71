//! The Vault revoker against a real server, OpenBao. `ENFORCER_TEST_OPENBAO`
//! names its program; without, the tests say that they are skipped, and whoever
//! runs them counts that.

mod real;

use std::path::Path;

use enforcer_user::act::revoke::{Outcome, Proof};
use enforcer_user::policy::{Revoker, Vault, VaultTarget};
use real::{Server, attempt, free_port, killing, secret};
use serde_json::{Value, json};

const ROOT: &str = "root-of-a-test";

struct Bao {
    server: Server,
    http: reqwest::Client,
}

// === impl Bao ===

impl Bao {
    /// `None`: there is no program, and it was said.
    async fn start(test: &str) -> Option<Self> {
        let program = real::installed("ENFORCER_TEST_OPENBAO", test)?;
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let listen = format!("-dev-listen-address=127.0.0.1:{port}");
        let token = format!("-dev-root-token-id={ROOT}");
        let mut command = std::process::Command::new(program);
        command.args(["server", "-dev", "-dev-no-store-token", &token, &listen]);
        command.env_clear().env("HOME", dir.path());
        let server = Server::start(command, port, dir).await;
        let bao = Self { server, http: reqwest::Client::new() };
        bao.server
            .until("OpenBao is unsealed", async || {
                let health = bao.http.get(bao.url("sys/health")).send().await;
                health.is_ok_and(|health| health.status().is_success())
            })
            .await;
        Some(bao)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.server.base)
    }

    async fn ask(&self, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
        let request = match body {
            Some(body) => self.http.post(self.url(path)).json(&body),
            None => self.http.get(self.url(path)),
        };
        let answer = request.header("x-vault-token", token).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// A token of a role, and its accessor. The leases of a role have a path of
    /// their own; that of all tokens holds the root's, too.
    async fn issue(&self) -> (String, String) {
        self.ask("auth/token/roles/agents", ROOT, Some(json!({ "orphan": true }))).await;
        let body = json!({ "ttl": "1h", "policies": ["default"] });
        let (_, told) = self.ask("auth/token/create/agents", ROOT, Some(body)).await;
        let text = |name: &str| told["auth"][name].as_str().expect("issued").to_owned();
        (text("client_token"), text("accessor"))
    }

    /// A token lives while it can look at itself.
    async fn is_alive(&self, token: &str) -> bool {
        self.ask("auth/token/lookup-self", token, None).await.0 == 200
    }

    fn revoker(&self, dir: &Path, token: &str, target: VaultTarget) -> Revoker {
        let token = secret(dir, "own", token);
        let endpoint = self.server.base.clone();
        Revoker::Vault(Vault { endpoint, namespace: None, token, target })
    }
}

#[tokio::test]
async fn a_token_dies_by_its_accessor() {
    let Some(bao) = Bao::start("a_token_dies_by_its_accessor").await else { return };
    let (token, accessor) = bao.issue().await;
    let (other, _) = bao.issue().await;
    assert!(bao.is_alive(&token).await);
    let dir = bao.server.dir.path();
    let target = VaultTarget::Accessor(secret(dir, "accessor", &accessor));
    let credential = killing(dir, &token, bao.revoker(dir, ROOT, target));
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::Confirmed));
    assert!(!bao.is_alive(&token).await && bao.is_alive(&other).await);
    // Dead already: however it is found out.
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::AlreadyDead));
    assert_eq!(attempt(&credential, true).await, Outcome::Done(Proof::AlreadyDead));
}

/// A token is a lease, too: its id is listed below the path that made it.
#[tokio::test]
async fn a_lease_dies_alone_and_a_prefix_with_all_of_its_leases() {
    let test = "a_lease_dies_alone_and_a_prefix_with_all_of_its_leases";
    let Some(bao) = Bao::start(test).await else { return };
    let listed = "sys/leases/lookup/auth/token/create/agents?list=true";
    let before = bao.ask(listed, ROOT, None).await.1["data"]["keys"].clone();
    let (token, _) = bao.issue().await;
    let after = bao.ask(listed, ROOT, None).await.1["data"]["keys"].clone();
    let known = before.as_array().cloned().unwrap_or_default();
    let mut fresh = after.as_array().expect("listed").iter().filter(|key| !known.contains(key));
    let lease = fresh.next().and_then(Value::as_str).expect("a lease");
    let (second, _) = bao.issue().await;
    let dir = bao.server.dir.path();
    let id = secret(dir, "lease", &format!("auth/token/create/agents/{lease}"));
    let credential = killing(dir, &token, bao.revoker(dir, ROOT, VaultTarget::Lease(id)));
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::Confirmed));
    assert!(!bao.is_alive(&token).await && bao.is_alive(&second).await);
    assert_eq!(attempt(&credential, true).await, Outcome::Done(Proof::AlreadyDead));

    let prefix = VaultTarget::Prefix("auth/token/create/agents".into());
    let credential = killing(dir, &second, bao.revoker(dir, ROOT, prefix));
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::Confirmed));
    assert!(!bao.is_alive(&second).await);
    assert_eq!(attempt(&credential, true).await, Outcome::Done(Proof::AlreadyDead));
}

#[tokio::test]
async fn a_token_that_may_not_revoke_is_refused_and_nobody_dies() {
    let test = "a_token_that_may_not_revoke_is_refused_and_nobody_dies";
    let Some(bao) = Bao::start(test).await else { return };
    let (token, accessor) = bao.issue().await;
    let (weak, _) = bao.issue().await;
    let dir = bao.server.dir.path();
    for own in [weak.as_str(), "no-such-token"] {
        let target = VaultTarget::Accessor(secret(dir, "accessor", &accessor));
        let credential = killing(dir, &token, bao.revoker(dir, own, target));
        let outcome = attempt(&credential, false).await;
        let Outcome::Fail { error } = outcome else { panic!("{outcome:?}") };
        assert!(error.starts_with("Vault's revocation answered 403"), "{error}");
    }
    assert!(bao.is_alive(&token).await);
}
