//! A real authorization server: npm's `oidc-provider`, in the agents'
//! namespace, with its own log of who called what.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::lab::Lab;
use crate::wait::eventually;

/// Where it listens; every lab has a loopback of its own.
const PORT: u16 = 13_000;
const AGENT_SECRET: &str = "agent-secret-of-a-test-which-is-long-enough";
/// What the daemon shows the server.
pub const ENFORCER_SECRET: &str = "enforcer-secret-of-a-test-which-is-long-enough";

/// A running server.
#[derive(Debug)]
pub struct AuthServer<'lab> {
    lab: &'lab Lab,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
}

/// The folder with `node_modules/oidc-provider`: `ENFORCER_TEST_OIDC_DIR`, else
/// where `cargo xtask setup --tests` puts it. `None` where there is none.
pub fn provider_folder() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/oidc");
    let folder = std::env::var_os("ENFORCER_TEST_OIDC_DIR").map_or(default, PathBuf::from);
    folder.join("node_modules/oidc-provider").is_dir().then_some(folder)
}

// === impl AuthServer ===

impl<'lab> AuthServer<'lab> {
    /// Starts it and waits until it listens.
    pub fn start(lab: &'lab Lab, provider: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/server.mjs");
        let mut command: Command = lab.command("node");
        command.arg(script).arg(provider).arg(PORT.to_string());
        command.args([AGENT_SECRET, ENFORCER_SECRET]).stdin(Stdio::piped());
        let err = std::fs::File::create(lab.path("oidc.log")).expect("a log of the server");
        let child = command.stdout(Stdio::piped()).stderr(err).spawn();
        let mut child = child.expect("start node");
        let out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in out.lines().map_while(Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    log.lock().expect("no reader panics").push(value);
                }
            }
        });
        let server = Self { lab, child, log, reader: Some(reader) };
        server.heard("ready");
        server
    }

    /// The credential file of a token of `agent`, to be revoked here.
    pub fn credential(&self, id: &str, agent: &str, token: &str) -> String {
        let (secret, client) = (self.lab.path(&format!("{id}.token")), self.lab.path("client"));
        write_secret(&secret, token);
        write_secret(&client, ENFORCER_SECRET);
        format!(
            "version = 1\n[[credential]]\nid = \"{id}\"\nagent = \"{agent}\"\nkind = \"oauth2\"\n\
             scopes = [\"crm.read\"]\nsecret = {{ file = \"{}\" }}\n[credential.revoke]\n\
             via = \"oauth2\"\nendpoint = \"{base}/token/revocation\"\n\
             introspect = \"{base}/token/introspection\"\nclient_id = \"enforcer\"\n\
             client_secret = {{ file = \"{}\" }}\n",
            secret.display(),
            client.display(),
            base = format_args!("http://127.0.0.1:{PORT}"),
        )
    }

    /// A token, fresh from the server.
    pub fn issue(&self) -> String {
        let form = "grant_type=client_credentials&scope=crm.read";
        let answer = self.post("/token", "agent", AGENT_SECRET, form);
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// Whether the server calls the token alive.
    pub fn is_active(&self, token: &str) -> bool {
        let form = format!("token={token}");
        let answer = self.post("/token/introspection", "agent", AGENT_SECRET, &form);
        answer["active"].as_bool().unwrap_or_else(|| panic!("no introspection: {answer}"))
    }

    /// Every call of an endpoint so far, as the server logged it.
    pub fn calls(&self, path: &str) -> Vec<Value> {
        let log = self.log.lock().expect("no reader panics");
        log.iter().filter(|line| line["path"] == path).cloned().collect()
    }

    /// Stops listening and cuts what is open.
    pub fn deafen(&self) {
        self.signal(Signal::SIGUSR2);
        self.heard("deaf");
    }

    /// Listens again.
    pub fn listen(&self) {
        self.signal(Signal::SIGHUP);
        self.heard("listening again");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid fits");
        kill(Pid::from_raw(pid), signal).expect("signal the server");
    }

    /// Waits until the kernel holds bytes for it that it has not read
    /// (proc_pid_net(5): local address, state 01 is established, `tx:rx`).
    pub fn until_a_call_waits(&self) {
        let table = format!("/proc/{}/net/tcp", self.child.id());
        let port = format!(":{PORT:04X}");
        eventually("a call to wait for the server", || {
            let sockets = std::fs::read_to_string(&table).expect("the server's sockets");
            let mut sockets = sockets.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
            let waits = |socket: &Vec<&str>| {
                socket[1].ends_with(&port) && socket[3] == "01" && !socket[4].ends_with(":00000000")
            };
            sockets.any(|socket| waits(&socket)).then_some(())
        });
    }

    fn heard(&self, word: &str) {
        eventually(&format!("the authorization server to be {word}"), || {
            let log = self.log.lock().expect("no reader panics");
            log.iter().any(|line| line["said"] == word).then_some(())
        });
    }

    fn post(&self, path: &str, client: &str, secret: &str, form: &str) -> Value {
        let text = self.lab.host.run(|| -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", PORT))?;
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\nconnection: close\r\n\
                 authorization: Basic {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                 content-length: {}\r\n\r\n{form}",
                base64(&format!("{client}:{secret}")),
                form.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        let text = text.expect("the authorization server answers");
        let body = crate::http::split(&text).map(|(_, body)| body).unwrap_or_default();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Drop for AuthServer<'_> {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ended = reader.join();
        }
    }
}

fn write_secret(path: &Path, secret: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).write(true).truncate(true).mode(0o600).open(path);
    writeln!(file.expect("a file for a secret"), "{secret}").expect("write a secret");
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(text)
}
