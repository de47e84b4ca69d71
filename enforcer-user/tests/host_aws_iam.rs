//! The AWS revokers against moto's IAM, which verifies signatures and policies,
//! with keys that are not active refused (`tests/python/moto_strict.py`).
//! `ENFORCER_TEST_MOTO` names the folder where moto is installed; without, the
//! tests say that they are skipped, and whoever runs them counts that.

mod real;

use std::path::Path;

use enforcer_user::act::revoke::{Outcome, Proof};
use enforcer_user::policy::{AwsIam, AwsKey, AwsTarget, Revoker, SecretRef};
use real::{Server, attempt, free_port, installed, killing, secret};

/// What moto accepts while it is being set up.
const SETUP: (&str, &str) = ("testing", "testing");
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ANYBODY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;

type Key = (String, String);

struct Moto {
    server: Server,
    http: reqwest::Client,
    admin: Key,
    agent: Key,
}

// === impl Moto ===

impl Moto {
    /// With an admin, an agent and a role. `None`: there is no moto, and it was
    /// said.
    async fn start(test: &str) -> Option<Self> {
        let packages = installed("ENFORCER_TEST_MOTO", test)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/moto_strict.py");
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let mut command = std::process::Command::new("python3");
        command.arg(script).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.env("PYTHONPATH", packages);
        // Until everybody is there, nobody is asked for permission.
        command.env("INITIAL_NO_AUTH_ACTION_COUNT", "1000000");
        let server = Server::start(command, port, dir).await;
        let (admin, agent) = Default::default();
        let mut moto = Self { server, http: reqwest::Client::new(), admin, agent };
        moto.admin = moto.user("admin").await;
        moto.agent = moto.user("agent").await;
        let role = [("RoleName", "agent-role"), ("AssumeRolePolicyDocument", ANYBODY)];
        moto.setup("CreateRole", &role).await;
        let reset = moto.http.post(format!("{}/moto-api/reset-auth", moto.server.base));
        let reset = reset.body("0").send().await.expect("an answer");
        assert!(reset.status().is_success(), "{reset:?}");
        Some(moto)
    }

    /// A user who may do everything, and its key.
    async fn user(&self, name: &str) -> Key {
        self.setup("CreateUser", &[("UserName", name)]).await;
        let policy = [("UserName", name), ("PolicyName", "p"), ("PolicyDocument", EVERYTHING)];
        self.setup("PutUserPolicy", &policy).await;
        let told = self.setup("CreateAccessKey", &[("UserName", name)]).await;
        let text = |tag: &str| {
            let (_, rest) = told.split_once(&format!("<{tag}>")).expect("told");
            rest.split_once('<').expect("told").0.to_owned()
        };
        (text("AccessKeyId"), text("SecretAccessKey"))
    }

    async fn setup(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let key = (SETUP.0.to_owned(), SETUP.1.to_owned());
        let (status, told) = self.call(&key, "iam", action, parameters).await;
        assert_eq!(status, 200, "{action}: {told}");
        told
    }

    async fn call(
        &self,
        key: &Key,
        service: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> (u16, String) {
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", version);
        // As AWS's own clients write it, which is what moto verifies.
        let body = form.extend_pairs(parameters).finish().replace('*', "%2A");
        let url = format!("{}/", self.server.base);
        let mut request = self.http.post(&url).header("content-type", FORM);
        for (name, value) in signed(key, service, &url, &body) {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// A key lives while it says who it is.
    async fn is_alive(&self, key: &Key) -> bool {
        self.call(key, "sts", "GetCallerIdentity", &[]).await.0 == 200
    }

    fn revoker(&self, dir: &Path, (id, value): &Key, target: AwsTarget) -> Revoker {
        let own: SecretRef = secret(dir, "own", value);
        let key = AwsKey { id: id.clone(), secret: own, session: None };
        let endpoint = self.server.base.clone();
        Revoker::AwsIam(AwsIam { endpoint, region: "us-east-1".into(), key, target })
    }

    fn agents_key(&self) -> AwsTarget {
        AwsTarget::Key { user: "agent".into(), key_id: self.agent.0.clone() }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn signed((id, value): &Key, service: &str, url: &str, body: &str) -> Vec<(String, String)> {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    let identity = aws_credential_types::Credentials::new(id, value, None, None, "test").into();
    let parameters = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .expect("complete")
        .into();
    let headers = [("content-type", FORM)].into_iter();
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", url, headers, body).expect("signable");
    let (signature, _) = sign(request, &parameters).expect("signed").into_parts();
    signature.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn an_access_key_is_deleted_and_refused() {
    let Some(moto) = Moto::start("an_access_key_is_deleted_and_refused").await else { return };
    assert!(moto.is_alive(&moto.agent).await);
    let dir = moto.server.dir.path();
    let revoker = moto.revoker(dir, &moto.admin, moto.agents_key());
    let credential = killing(dir, &moto.agent.1, revoker);
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::Confirmed));
    assert!(!moto.is_alive(&moto.agent).await && moto.is_alive(&moto.admin).await);
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::AlreadyDead));
    assert_eq!(attempt(&credential, true).await, Outcome::Done(Proof::AlreadyDead));
}

/// Who may switch keys off but not delete them has still killed the key.
#[tokio::test]
async fn a_key_that_may_not_be_deleted_is_inactive_and_refused() {
    let test = "a_key_that_may_not_be_deleted_is_inactive_and_refused";
    let Some(moto) = Moto::start(test).await else { return };
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:UpdateAccessKey","iam:ListAccessKeys"],"Resource":"*"}]}"#;
    let policy = [("UserName", "admin"), ("PolicyName", "p"), ("PolicyDocument", document)];
    let (status, told) = moto.call(&moto.admin, "iam", "PutUserPolicy", &policy).await;
    assert_eq!(status, 200, "{told}");
    let dir = moto.server.dir.path();
    let revoker = moto.revoker(dir, &moto.admin, moto.agents_key());
    let credential = killing(dir, &moto.agent.1, revoker);
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::Disabled));
    assert!(!moto.is_alive(&moto.agent).await);
}

#[tokio::test]
async fn a_wrong_signature_and_a_misspelled_user_kill_nobody() {
    let test = "a_wrong_signature_and_a_misspelled_user_kill_nobody";
    let Some(moto) = Moto::start(test).await else { return };
    let dir = moto.server.dir.path();
    let wrong = (moto.admin.0.clone(), "wrong".to_owned());
    let nobody = AwsTarget::Key { user: "agemt".into(), key_id: moto.agent.0.clone() };
    for (own, target, says) in [
        (&wrong, moto.agents_key(), "SignatureDoesNotMatch"),
        (&moto.admin, nobody, "NoSuchEntity"),
    ] {
        let credential = killing(dir, &moto.agent.1, moto.revoker(dir, own, target));
        let Outcome::Fail { error } = attempt(&credential, false).await else { panic!("{says}") };
        assert!(error.contains(says), "{error}");
    }
    assert!(moto.is_alive(&moto.agent).await);
}

#[tokio::test]
async fn a_roles_sessions_are_denied_by_the_time_of_their_issue() {
    let test = "a_roles_sessions_are_denied_by_the_time_of_their_issue";
    let Some(moto) = Moto::start(test).await else { return };
    let dir = moto.server.dir.path();
    let role = |name: &str| moto.revoker(dir, &moto.admin, AwsTarget::Role(name.into()));
    let credential = killing(dir, "unused", role("agent-role"));
    assert_eq!(attempt(&credential, false).await, Outcome::Done(Proof::Confirmed));
    let asked = [("RoleName", "agent-role"), ("PolicyName", "AWSRevokeOlderSessions")];
    let (status, told) = moto.call(&moto.admin, "iam", "GetRolePolicy", &asked).await;
    assert!(status == 200 && told.contains("aws%3ATokenIssueTime"), "{told}");
    let misspelled = killing(dir, "unused", role("agemt-role"));
    let Outcome::Fail { error } = attempt(&misspelled, false).await else { panic!("no such role") };
    assert!(error.contains("NoSuchEntity"), "{error}");
}
