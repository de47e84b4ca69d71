//! One test's world.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MsFlags, mount};

use crate::agent::Agent;
use crate::netns::Netns;
use crate::peer::Peer;
use crate::sweep;
use crate::{AGENT_V4, AGENT_V6, ALLOWED_V4, ALLOWED_V6, FORBIDDEN_V4, FORBIDDEN_V6, cgroup};

/// Where the daemon of a lab serves its metrics, inside the agents' namespace.
pub const METRICS: &str = "127.0.0.1:9635";

/// Namespaces, cgroups, a bpffs and folders of one test; all go with it.
#[derive(Debug)]
pub struct Lab {
    name: String,
    folder: PathBuf,
    /// The agents' side; the daemon lives here too.
    pub host: Netns,
    /// The peer's side.
    pub far: Netns,
    /// Who answers there.
    pub peer: Peer,
}

// === impl Lab ===

impl Lab {
    /// Builds one; it needs root.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        sweep::leftovers();
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}{}-{number}", sweep::PREFIX, std::process::id());
        let folder = std::env::temp_dir().join(&name);
        for part in ["policies.d", "credentials.d", "state", "bpf"] {
            fs::create_dir_all(folder.join(part)).expect("make the lab's folders");
        }
        let bpf = folder.join("bpf");
        mount(Some("bpf"), &bpf, Some("bpf"), MsFlags::empty(), None::<&str>)
            .expect("mount a bpffs of our own");
        fs::create_dir(cgroup::mount_point().join(&name)).expect("make the lab's root cgroup");
        let (host, far) = wire();
        let peer = Peer::start(&far);
        let lab = Self { name, folder, host, far, peer };
        lab.write_config("");
        lab
    }

    /// The enforced root, relative to the cgroup2 mount.
    pub fn root(&self) -> &str {
        &self.name
    }

    /// A path in the lab's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder where the daemon pins.
    pub fn bpf_dir(&self) -> PathBuf {
        self.path("bpf/enforcer")
    }

    /// `enforcer.toml`.
    pub fn config(&self) -> PathBuf {
        self.path("enforcer.toml")
    }

    /// Writes `enforcer.toml`: the lab's own paths, then `more`.
    pub fn write_config(&self, more: &str) {
        let folder = self.folder.display();
        let text = format!(
            "version = 1\nroot = \"{root}\"\npolicies = \"{folder}/policies.d\"\n\
             credentials = \"{folder}/credentials.d\"\nstate_dir = \"{folder}/state\"\n\
             bpf_dir = \"{folder}/bpf/enforcer\"\ncontrol_socket = \"{folder}/control.sock\"\n\
             {more}\n[metrics]\nlisten = \"{METRICS}\"\n",
            root = self.name,
        );
        fs::write(self.config(), text).expect("write enforcer.toml");
    }

    /// Writes the policy of `agent`: `body` follows version, name and cgroup.
    pub fn write_policy(&self, agent: &str, body: &str) {
        let text = format!(
            "version = 1\nagent = \"{agent}\"\ncgroups = [\"{}/{agent}\"]\n{body}\n",
            self.name
        );
        let path = self.path("policies.d").join(format!("{agent}.toml"));
        fs::write(path, text).expect("write a policy");
    }

    /// Writes a credential file.
    pub fn write_credentials(&self, name: &str, text: &str) {
        let path = self.path("credentials.d").join(format!("{name}.toml"));
        fs::write(path, text).expect("write a credential file");
    }

    /// Makes (if need be) a cgroup below the enforced root.
    pub fn cgroup(&self, name: &str) -> PathBuf {
        let path = cgroup::mount_point().join(&self.name).join(name);
        fs::create_dir_all(&path).expect("make a cgroup");
        path
    }

    /// A process in the cgroup `name` below the root, waiting for words.
    pub fn agent(&self, name: &str) -> Agent {
        Agent::spawn(self, &self.cgroup(name))
    }

    /// `program` as a command inside the agents' namespace.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        self.host.put(&mut command);
        command
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        sweep::unmount(&self.path("bpf"));
        // Those that `enforcer exec` has made for its agents.
        for own in fs::read_dir(self.path("agents")).into_iter().flatten().flatten() {
            sweep::unmount(&own.path());
        }
        cgroup::remove(&cgroup::mount_point().join(&self.name));
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

/// Two namespaces and the wire between them. Everything unknown is routed to
/// the peer, so that a leak is seen there and nowhere else.
fn wire() -> (Netns, Netns) {
    let (host, far) = (Netns::new(), Netns::new());
    for netns in [&host, &far] {
        netns.ip("link set lo up");
    }
    host.ip(&format!("link add wire type veth peer name wire netns {}", far.path()));
    for (netns, addresses) in [
        (&host, &[AGENT_V4, AGENT_V6][..]),
        (&far, &[ALLOWED_V4, FORBIDDEN_V4, ALLOWED_V6, FORBIDDEN_V6]),
    ] {
        netns.ip("link set wire up");
        for address in addresses {
            // Deprecated: the peer answers from the other address, as it was asked.
            let forbidden = if *address == FORBIDDEN_V6 { " preferred_lft 0" } else { "" };
            let suffix = if address.contains(':') { "/64 nodad" } else { "/24" };
            netns.ip(&format!("addr add {address}{suffix} dev wire{forbidden}"));
        }
    }
    host.sysctl("ipv4/ping_group_range", "0 2147483647");
    host.ip(&format!("route add default via {ALLOWED_V4}"));
    host.ip(&format!("-6 route add default via {ALLOWED_V6}"));
    (host, far)
}
