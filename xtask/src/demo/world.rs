//! The demo's world: two namespaces and a wire, an authorization server, two
//! APIs, the daemon.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::demo::host::{FAR, NEAR, Sweep, folder};
use crate::demo::{Programs, host};
use crate::shell;

/// The API that the demo's policy allows.
pub(crate) const ALLOWED: &str = "10.201.0.2";
/// The API that it does not name.
pub(crate) const FORBIDDEN: &str = "10.201.0.3";
/// Where `policies/demo/credentials.d` says that tokens are revoked.
pub(crate) const AUTH_SERVER: &str = "http://127.0.0.1:9700";
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that is running. Its processes end when [`Sweep`] goes.
pub(crate) struct World<'a> {
    programs: &'a Programs,
    children: Vec<Child>,
    pub(crate) token: String,
}

impl<'a> World<'a> {
    /// Builds it and waits until the daemon has proved its enforcement. The
    /// claim on the names removes it all again.
    pub(crate) fn build(programs: &'a Programs, _claim: &Sweep) -> Result<Self> {
        wire()?;
        let mut world = World { programs, children: Vec::new(), token: String::new() };
        world.start_peer()?;
        world.start_auth_server()?;
        world.start_daemon()?;
        Ok(world)
    }

    fn start_peer(&mut self) -> Result<()> {
        let mut command = inside(FAR, &self.programs.peer);
        command.args(["--allowed", ALLOWED, "--forbidden", FORBIDDEN]);
        self.start(command, "peer.log")?;
        self.eventually("the two APIs", || self.counts())?;
        Ok(())
    }

    fn start_auth_server(&mut self) -> Result<()> {
        let mut command = inside(NEAR, &self.programs.auth_server);
        command.args(["--port", "9700"]);
        for (client, file) in [("enforcer", "client"), ("demo-agent", "agent")] {
            let path = folder().join("secrets").join(file);
            host::write_secret(&path, &random_secret()?)?;
            command.args(["--client", &format!("{client}:{}", path.display())]);
        }
        self.start(command, "auth-server.log")?;
        let token = self.eventually("a token", || {
            self.ask("demo-agent:agent", "token", "grant_type=client_credentials")
        })?;
        self.token =
            token["access_token"].as_str().context("no access_token in the answer")?.to_owned();
        host::write_secret(&folder().join("secrets/token"), &self.token)
    }

    fn start_daemon(&mut self) -> Result<()> {
        let mut command = self.enforcer_command(&["run"]);
        command.env("NO_COLOR", "1");
        self.start(command, "daemon.log")?;
        self.enforcer(&["wait-ready", "--timeout", "30s"]).map(drop)
    }

    fn start(&mut self, mut command: Command, log: &str) -> Result<()> {
        let file = File::create(folder().join(log)).with_context(|| format!("create {log}"))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        self.children.push(child);
        Ok(())
    }

    /// `POST`s a form to the authorization server as `CLIENT:SECRET-FILE`.
    pub(crate) fn ask(&self, client: &str, path: &str, form: &str) -> Result<Value> {
        let (id, file) = client.split_once(':').context("a client is ID:FILE")?;
        let secret = fs::read_to_string(folder().join("secrets").join(file))?;
        // Through a file: an argument can be read by every process of the host.
        let config = folder().join("secrets/curl");
        host::write_secret(
            &config,
            &format!("user = \"{id}:{}\"\ndata = \"{form}\"\n", secret.trim()),
        )?;
        let mut curl = inside(NEAR, "curl");
        curl.args(["-sS", "--config"]).arg(&config).arg(format!("{AUTH_SERVER}/{path}"));
        Ok(serde_json::from_str(&shell::output(&mut curl)?)?)
    }

    /// What the authorization server was asked so far.
    pub(crate) fn calls(&self) -> Result<Vec<Value>> {
        let text =
            shell::output(inside(NEAR, "curl").args(["-sS", &format!("{AUTH_SERVER}/calls")]))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// What has really arrived at the peer.
    pub(crate) fn counts(&self) -> Result<Value> {
        let text =
            shell::output(inside(FAR, "curl").args(["-sS", "http://127.0.0.1:9800/counts"]))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// `GET /metrics`.
    pub(crate) fn metrics(&self) -> Result<String> {
        shell::output(inside(NEAR, "curl").args(["-sS", "http://127.0.0.1:9635/metrics"]))
    }

    fn enforcer_command(&self, words: &[&str]) -> Command {
        let mut command = inside(NEAR, &self.programs.enforcer);
        command.arg("--config").arg(folder().join("enforcer.toml")).args(words);
        command
    }

    /// What an `enforcer` command prints; its failure is an error.
    pub(crate) fn enforcer(&self, words: &[&str]) -> Result<String> {
        shell::output(&mut self.enforcer_command(words))
    }

    /// Events of one kind, oldest first.
    pub(crate) fn events(&self, kind: &str) -> Result<Vec<Value>> {
        let text = self.enforcer(&["events", "-o", "json"])?;
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(events.filter(|event| event["kind"] == kind).collect())
    }

    /// Everything that a command under `enforcer exec` prints, whether it succeeds or not.
    pub(crate) fn agent(&self, words: &[&str]) -> Result<String> {
        let mut command =
            self.enforcer_command(&["exec", "--agent", "demo-agent", "--user", "nobody", "--"]);
        let out = command.args(words).stdin(Stdio::null()).output().context("start the agent")?;
        Ok(format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        ))
    }

    /// One command of the lab's agent; its answer.
    pub(crate) fn agent_program(&self, words: &str) -> Result<Value> {
        // A copy: a repository below /root is out of an unprivileged agent's reach.
        let copy = folder().join("agent");
        if !copy.is_file() {
            fs::copy(&self.programs.agent, &copy).context("copy the agent")?;
        }
        let program = copy.display().to_string();
        let mut command = vec![program.as_str()];
        command.extend(words.split(' '));
        let said = self.agent(&command)?;
        serde_json::from_str(said.lines().next().unwrap_or_default())
            .with_context(|| format!("the agent said {said:?}"))
    }

    /// Asks until there is an answer, or patience ends.
    pub(crate) fn eventually<T>(&self, what: &str, ask: impl Fn() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("waited in vain for {what}")));
                }
                Err(_) => sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// `program` inside a network namespace. Not `ip netns exec`: that hides the
/// mounts below `/sys`.
pub(crate) fn inside(netns: &str, program: impl Into<PathBuf>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{netns}")).arg("--").arg(program.into());
    command
}

fn wire() -> Result<()> {
    let far_addresses = [format!("{ALLOWED}/24"), format!("{FORBIDDEN}/24")];
    ip(&format!("netns add {NEAR}"))?;
    ip(&format!("netns add {FAR}"))?;
    ip(&format!("-n {NEAR} link add wire type veth peer name wire netns {FAR}"))?;
    ip(&format!("-n {NEAR} address add 10.201.0.1/24 dev wire"))?;
    for address in far_addresses {
        ip(&format!("-n {FAR} address add {address} dev wire"))?;
    }
    for (netns, device) in [(NEAR, "lo"), (FAR, "lo"), (NEAR, "wire"), (FAR, "wire")] {
        ip(&format!("-n {netns} link set {device} up"))?;
    }
    Ok(())
}

fn ip(words: &str) -> Result<()> {
    shell::output(Command::new("ip").args(words.split(' '))).map(drop)
}

fn random_secret() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").context("read a random number")?;
    if id.trim().is_empty() {
        bail!("the kernel gave no random number");
    }
    Ok(id)
}
